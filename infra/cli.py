"""The `imprimatur` command: `python -m infra.cli`, or `make run`, `make demo`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.settings import MissingSettingsError

if TYPE_CHECKING:
    from infra.commands.deployment import Asked

LOCAL = Path(__file__).parent / "local"
ROSTER = LOCAL / "roster.yaml"
SAMPLES = LOCAL / "samples"
PARAMS = Path(__file__).parent / "stacks" / "params"
DEFAULT_PORT = 8000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; answers the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except MissingSettingsError as error:
        print(f"imprimatur: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="imprimatur", description="A serverless publishing desk.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="the whole cloud in this process, until Ctrl-C")
    run.add_argument("--port", type=int, default=int(os.environ.get("PORT", DEFAULT_PORT)))
    run.add_argument("--wait-scale", type=float, default=float(os.environ.get("WAIT_SCALE", "1")))
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="the main job over HTTP, as people would do it")
    demo.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    demo.add_argument("--only", metavar="SAMPLE", help="one sample, by the name of its file")
    demo.add_argument("--address", help="a running desk; without it one is started for the demo")
    demo.add_argument("--timeout", type=float, default=180, metavar="SECONDS")
    demo.set_defaults(command=_demo)

    roster = commands.add_parser("roster", help="departments, persons and duties")
    apply = roster.add_subparsers(required=True, metavar="ACTION").add_parser(
        "apply", help="apply a roster file"
    )
    apply.add_argument("file", type=Path)
    apply.add_argument("--dry-run", action="store_true", help="only show what would change")
    apply.set_defaults(command=_roster_apply)

    _add_proofs(commands)
    _add_signing_key(commands)

    verify = commands.add_parser("verify", help="check an archive package, offline")
    verify.add_argument("package", type=Path)
    verify.add_argument("--sha256", help="the package's SHA-256 from the catalogue")
    verify.add_argument(
        "--service-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the public key of the service's signature (PEM); may be given again",
    )
    verify.add_argument("--language", default="zh-Hans", choices=["zh-Hans", "zh-Hant", "en"])
    verify.set_defaults(command=_verify)

    _add_site(commands)
    publishing = commands.add_parser("publishing", help="the brake: freeze publication, and go on")
    acts = publishing.add_subparsers(required=True, metavar="ACTION")
    freeze = acts.add_parser("freeze", help="hold every channel back from now on, or one")
    unfreeze = acts.add_parser("unfreeze", help="let go, and list what had waited")
    for act in (freeze, unfreeze):
        act.add_argument("--channel", help="only this one, such as email")
        act.add_argument("--reason", required=True, metavar="TEXT", help="kept in the ledger for good")
        act.add_argument(
            "--by", required=True, metavar="EMAIL", help="the person on duty whose decision it is"
        )
    freeze.add_argument("--until", metavar="RFC3339", help="when it ends by itself, with an offset")
    freeze.set_defaults(command=_freeze)
    unfreeze.set_defaults(command=_unfreeze)
    status = acts.add_parser("status", help="what is frozen, what waits, what has happened")
    status.set_defaults(command=_publishing_status)

    _add_mail(commands)
    queue = commands.add_parser("queue", help="what departments' own systems sent in vain")
    actions = queue.add_subparsers(required=True, metavar="ACTION")
    for action, help_ in (
        ("list", "show the dead letters"),
        ("redrive", "send them back to be taken in again"),
    ):
        letters = actions.add_parser(action, help=help_)
        letters.add_argument("department", help="its id in the roster")
        letters.add_argument("--message", metavar="ID", help="only the one with this message id")
        letters.set_defaults(command=_queue, action=action)

    _add_deployment(commands)
    return parser


def _add_site(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    site = commands.add_parser("site", help="the website")
    rebuild = site.add_subparsers(required=True, metavar="ACTION").add_parser(
        "rebuild", help="render every page again from the records"
    )
    rebuild.set_defaults(command=_site_rebuild)


def _add_mail(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    mail = commands.add_parser("mail", help="announcements by mail")
    suppression = mail.add_subparsers(required=True, metavar="WHAT").add_parser(
        "suppression", help="addresses that announcements no longer go to"
    )
    actions = suppression.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="show them, and whose they are").set_defaults(command=_suppression_list)
    lift = actions.add_parser("lift", help="let announcements go to an address again")
    lift.add_argument("email")
    lift.add_argument("--by", required=True, metavar="EMAIL", help="the person on duty whose decision it is")
    lift.set_defaults(command=_suppression_lift)


def _add_signing_key(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    key = commands.add_parser("signing-key", help="the public key of the service's signature, as PEM")
    key.add_argument(
        "--site", action="store_true", help="of the intranet's cookies instead, for SitePublicKey"
    )
    key.set_defaults(command=_signing_key)


def _add_proofs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    proof = commands.add_parser("proof", help="what proves people to be there")
    actions = proof.add_subparsers(required=True, metavar="ACTION", dest="action")
    invite = actions.add_parser("invite", help="make a code with which a person enrols a first proof, once")
    invite.add_argument(
        "--mail", action="store_true", help="mail it instead of printing it, where the mailbox is trusted"
    )
    actions.add_parser("list", help="show what a person has enrolled")
    revoke = actions.add_parser("revoke", help="take back what a person has enrolled, at once")
    revoke.add_argument("--id", metavar="PROOF", help="only this one")
    for parser in actions.choices.values():
        parser.add_argument("email", help="the person's address in the roster")
    proof.set_defaults(command=_proof)


def _add_architecture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--architecture", choices=["arm64", "x86_64"], default="arm64", help="the functions' processor"
    )


def _add_deployment(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    package = commands.add_parser("package", help="build the package for AWS")
    package.add_argument("--out", type=Path, default=Path("build"))
    _add_architecture(package)
    package.set_defaults(command=_package)

    deploy = commands.add_parser("deploy", help="bring an environment on AWS to what the sources say")
    deploy.add_argument("--only", metavar="STACK", help="one stack, such as app")
    _add_architecture(deploy)
    deploy.set_defaults(command=_deploy)

    rollback = commands.add_parser("rollback", help="bring back the release before")
    rollback.add_argument("--to", metavar="RELEASE", help="this release")
    rollback.set_defaults(command=_rollback)

    doctor = commands.add_parser("doctor", help="what is wrong with an environment and its account")
    doctor.add_argument("--json", action="store_true", help="one JSON object a line")
    doctor.set_defaults(command=_doctor)

    destroy = commands.add_parser("destroy", help="give an environment up; refuses where data would be lost")
    destroy.add_argument("--keep-data", action="store_true", help="remove only the stacks that keep no data")
    destroy.set_defaults(command=_destroy)

    for parser in (deploy, rollback, doctor, destroy):
        parser.add_argument("--env", required=True, help="the environment, by the name of its file")
        parser.add_argument(
            "--params", type=Path, default=PARAMS, metavar="FOLDER", help="where environments' files are"
        )
        parser.add_argument("--endpoint-url", metavar="URL", help="what stands for AWS")
    for parser in (deploy, rollback):
        parser.add_argument("--yes", action="store_true", help="do not ask, unless data could be lost")


def _run(options: argparse.Namespace) -> int:
    from infra.commands.desk import serve  # noqa: PLC0415 — each command pays for its own imports only

    return serve(port=options.port, wait_scale=options.wait_scale, roster=ROSTER)


def _demo(options: argparse.Namespace) -> int:
    from infra.commands import demo  # noqa: PLC0415 — as above
    from infra.commands.desk import running_desk  # noqa: PLC0415 — as above

    desk = running_desk(options.address)
    return demo.run(desk, as_json=options.json, samples=SAMPLES, only=options.only, timeout=options.timeout)


def _roster_apply(options: argparse.Namespace) -> int:
    from infra.commands.roster import apply  # noqa: PLC0415 — as above

    return apply(options.file, dry_run=options.dry_run)


def _verify(options: argparse.Namespace) -> int:
    from infra.commands import verify  # noqa: PLC0415 — as above

    return verify.run(
        options.package,
        sha256=options.sha256,
        service_keys=options.service_key,
        language=options.language,
    )


def _proof(options: argparse.Namespace) -> int:
    from infra.commands import proofs  # noqa: PLC0415 — as above

    return proofs.run(options)


def _signing_key(options: argparse.Namespace) -> int:
    from infra.commands import proofs  # noqa: PLC0415 — as above

    return proofs.print_signing_key(of_site=options.site)


def _site_rebuild(_options: argparse.Namespace) -> int:
    from infra.commands.site import rebuild  # noqa: PLC0415 — as above

    return rebuild()


def _freeze(options: argparse.Namespace) -> int:
    from infra.commands import publishing  # noqa: PLC0415 — as above

    return publishing.freeze(
        channel=options.channel, reason=options.reason, until=options.until, by=options.by
    )


def _unfreeze(options: argparse.Namespace) -> int:
    from infra.commands import publishing  # noqa: PLC0415 — as above

    return publishing.unfreeze(channel=options.channel, reason=options.reason, by=options.by)


def _publishing_status(_options: argparse.Namespace) -> int:
    from infra.commands import publishing  # noqa: PLC0415 — as above

    return publishing.status()


def _suppression_list(_options: argparse.Namespace) -> int:
    from infra.commands import mail  # noqa: PLC0415 — as above

    return mail.list_suppressed()


def _suppression_lift(options: argparse.Namespace) -> int:
    from infra.commands import mail  # noqa: PLC0415 — as above

    return mail.lift(options.email, by=options.by)


def _queue(options: argparse.Namespace) -> int:
    from infra.commands import queue  # noqa: PLC0415 — as above

    return queue.run(options.action, options.department, message=options.message)


def _package(options: argparse.Namespace) -> int:
    from infra import package  # noqa: PLC0415 — as above

    return package.main(options.out, architecture=options.architecture)


def _asked(options: argparse.Namespace) -> "Asked":
    from infra.commands.deployment import Asked  # noqa: PLC0415 — as above

    return Asked(
        env=options.env,
        params=options.params,
        endpoint=options.endpoint_url,
        yes=getattr(options, "yes", False),
    )


def _deploy(options: argparse.Namespace) -> int:
    from infra.commands import deployment  # noqa: PLC0415 — as above

    return deployment.deploy(_asked(options), only=options.only, architecture=options.architecture)


def _rollback(options: argparse.Namespace) -> int:
    from infra.commands import deployment  # noqa: PLC0415 — as above

    return deployment.rollback(_asked(options), to=options.to)


def _doctor(options: argparse.Namespace) -> int:
    from infra.commands import doctor  # noqa: PLC0415 — as above

    return doctor.examine(_asked(options), as_json=options.json)


def _destroy(options: argparse.Namespace) -> int:
    from infra.commands import deployment  # noqa: PLC0415 — as above

    return deployment.destroy(_asked(options), keep_data=options.keep_data)


if __name__ == "__main__":
    sys.exit(main())
