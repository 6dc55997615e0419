"""Brings an environment's stacks to their plans, one by one.

What would change is shown and asked about, then happens; after the app's stack stands, it is tried, and what does not
work is taken back. Whatever breaks off in between, running it again goes on from there.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from infra.deployment.changes import Change
from infra.deployment.clients import Caller, Client
from infra.deployment.depot import Depot
from infra.deployment.environment import Environment
from infra.deployment.errors import DeclinedError, DeploymentError
from infra.deployment.formation import ChangeSet, Formation, Pause
from infra.deployment.leftovers import Leftovers
from infra.deployment.lock import Lock
from infra.deployment.plans import Plan, from_record
from infra.deployment.releases import Deployed, Release, Releases, State
from infra.deployment.remains import Remains
from infra.deployment.removal import left, remove
from infra.deployment.smoke import Smoke
from infra.deployment.stacks import (
    APP,
    OUTPUT,
    STACKS,
    Place,
    Stack,
    deployed_name,
    recorded,
    region_of,
    stacks_of,
)
from infra.deployment.terminal import Terminal


def _alone() -> None:
    """Nobody else is at it."""


@dataclass(frozen=True, kw_only=True)
class Deployer:
    """One environment, on behalf of a person at a terminal. `now` gives UTC, `source` says what is being deployed.

    `hold` is called before something changes. It raises DeploymentError when somebody else is at it by then.
    """

    environment: Environment
    clients: Client
    caller: Caller
    terminal: Terminal
    now: Callable[[], datetime]
    source: str = ""
    known: Sequence[Stack] = STACKS
    pause: Pause = time.sleep
    hold: Callable[[], None] = _alone
    _formations: dict[str, Formation] = field(default_factory=dict)

    @property
    def depot(self) -> Depot:
        """The bucket of what is deployed."""
        return Depot(
            s3=self.clients("s3", self.environment.region),
            bucket=f"{self.environment.prefix}-deployments-{self.caller.account}",
            caller=self.caller,
            region=self.environment.region,
        )

    @property
    def releases(self) -> Releases:
        """The records of what was deployed."""
        return Releases(depot=self.depot)

    @property
    def leftovers(self) -> Leftovers:
        """What is left of stacks that have gone."""
        return Leftovers(depot=self.depot)

    def formation(self, stack: Stack) -> Formation:
        """CloudFormation where the stack is."""
        region = region_of(stack, self.environment)
        if region not in self._formations:
            client = self.clients("cloudformation", region)
            self._formations[region] = Formation(client, self.terminal, self.pause, self.hold)
        return self._formations[region]

    def remains(self, stack: Stack) -> Remains:
        """What knows whether something where the stack is holds data."""
        return Remains(clients=self.clients, region=region_of(stack, self.environment))

    def name(self, stack: Stack) -> str:
        """CloudFormation's name of the stack."""
        return deployed_name(stack, self.environment)

    @contextmanager
    def alone(self) -> Iterator["Deployer"]:
        """Whoever does it while nobody else does. Raises DeploymentError, which tells who else is at it.

        Without a depot nothing was ever deployed, and there is nobody to be in the way of.
        """
        if not self.depot.exists():
            yield self
            return
        with Lock(self.depot, self.caller.arn, self.now).held() as lock:

            def pause(seconds: float) -> None:
                lock.keep()
                self.pause(seconds)

            yield replace(self, pause=pause, hold=lock.keep, _formations={})

    def forgotten(self) -> list[Stack]:
        """The stacks that were deployed and are not gone, and that the environment's file no longer names."""
        current = self.releases.current() if self.depot.exists() else None
        named = {stack.name for stack in stacks_of(self.environment, self.known)}
        return [
            stack
            for stack in (recorded(name, self.known) for name in (current.stacks if current else ()))
            if stack.name not in named and self._may_stand(stack)
        ]

    def remedy(self, stack: Stack) -> str:
        """What to do about a stack that is `forgotten`."""
        if self._is_nowhere(stack):
            return "put recovery_region back, and leave it there, so that it can be looked for"
        return "name it again, or delete it in CloudFormation"

    def _is_nowhere(self, stack: Stack) -> bool:
        return stack.place is Place.RECOVERY and self.environment.recovery_region is None

    def _may_stand(self, stack: Stack) -> bool:
        return self._is_nowhere(stack) or self.formation(stack).describe(self.name(stack)) is not None

    def begin(self) -> Release:
        """A release of now, upon what stands."""
        current = self.releases.current()
        return self.releases.begin(at=self.now(), by=self.caller.arn, source=self.source, current=current)

    def deploy(self, plans: Sequence[Plan]) -> Release:
        """Bring each stack to its plan, as a release of now; see `apply`.

        Raises DeploymentError also when somebody else is at it.
        """
        with self.alone() as alone:
            for stack in alone.forgotten():
                self.terminal.warn(
                    f"The stack {self.name(stack)} was deployed, and the environment's file no longer names it: it "
                    f"stays as it is. To be rid of this, {self.remedy(stack)}."
                )
            return alone.apply(plans, alone.begin())

    def apply(self, plans: Sequence[Plan], release: Release, *, restores: str | None = None) -> Release:
        """Bring each stack to its plan, in order, and answer the release as it then is recorded.

        `restores` is the release that the plans bring back, if they do. Raises DeploymentError when something fails,
        DeclinedError when a person declined; the record then tells what stands.
        """
        release, stood = replace(release, restores=restores), release.stacks
        try:
            for plan in plans:
                release = self._bring(plan, release)
        except DeploymentError:
            self._stopped(release.id, stood)
            raise
        if self._is_news(release):
            return self._record(replace(release, state=State.LIVE))
        return release

    def _record(self, release: Release) -> Release:
        """Record it, unless somebody else is at it by now. Nothing is executed that was not recorded before."""
        self.hold()
        return self.releases.record(release)

    def _is_news(self, release: Release) -> bool:
        """Whether the record must tell of the release: it did something, or ends what another one did not."""
        if release.restores is not None or self.releases.get(release.id) is not None:
            return True
        current = self.releases.current()
        return current is not None and current.state is not State.LIVE

    def _stopped(self, identifier: str, stood: Mapping[str, Deployed]) -> None:
        """Note how far the release came. One that was interrupted stays as it is: what it began may still happen."""
        release = self.releases.get(identifier)
        if release is not None and release.state is State.APPLYING:
            state = State.WITHDRAWN if release.stacks == stood else State.STOPPED
            self._record(replace(release, state=state))

    def _bring(self, plan: Plan, release: Release) -> Release:
        """One stack; answers the release with it noted."""
        name, formation = self.name(plan.stack), self.formation(plan.stack)
        exists = formation.prepare(name, lambda failed: self._clear(plan.stack, failed))
        change_set = formation.propose(
            name,
            exists=exists,
            template_url=self.depot.url(plan.template),
            parameters=[self._resolved(argument) for argument in plan.arguments],
            capabilities=plan.stack.capabilities,
            label=f"release-{release.id}",
        )
        noted = release.noting(plan.stack.name, plan.deployed())
        if change_set.empty:
            formation.drop(change_set)
            self.terminal.say(f"{name}: nothing to change.")
            if noted != release:
                self._record(noted)
        else:
            self._agree(plan.stack, change_set)
            self._change(plan.stack, change_set, release, noted)
        formation.protect(name, protected=self.environment.protected)
        if plan.stack.name == APP:
            self._try_out(plan.stack, noted, changed=not change_set.empty)
        return noted

    def _change(self, stack: Stack, change_set: ChangeSet, before: Release, after: Release) -> None:
        """Execute it. The record says beforehand what shall stand: if this breaks off, CloudFormation goes on."""
        self._record(after)
        try:
            self.formation(stack).execute(change_set)
        except DeploymentError:
            self._record(before)
            raise

    def _resolved(self, argument: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameter with the outputs of other stacks that it asks for, as they are now."""
        value = argument.get("ParameterValue", "")
        return (
            {**argument, "ParameterValue": OUTPUT.sub(self._output, value)}
            if OUTPUT.search(value)
            else argument
        )

    def _output(self, asked: "re.Match[str]") -> str:
        name, key = asked.groups()
        stack = next((one for one in self.known if one.name == name), None)
        outputs = {} if stack is None else self.formation(stack).outputs(self.name(stack))
        if key not in outputs:
            raise DeploymentError(
                f"The stack {name} puts out no {key}, which another one wants. Deploy it first: imprimatur deploy "
                f"--env {self.environment.name} --only {name}"
            )
        return outputs[key]

    def _agree(self, stack: Stack, change_set: ChangeSet) -> None:
        """Show what would change and ask. A change set that nobody agreed to is taken back."""
        self.terminal.say(f"\n{change_set.stack} would {'be created' if change_set.creates else 'change'}:")
        if not change_set.changes:
            self.terminal.say("  nothing but what it puts out for others")
        for change in change_set.changes:
            (self.terminal.warn if change.endangers_data else self.terminal.say)(f"  {change.line()}")
        try:
            self._agree_to_danger([change for change in change_set.changes if change.endangers_data])
            self.terminal.agree(f"{'Create' if change_set.creates else 'Change'} {change_set.stack} so?")
        except (DeclinedError, KeyboardInterrupt):
            self.hold()
            self.formation(stack).drop(change_set)
            raise

    def _agree_to_danger(self, endangered: Sequence[Change]) -> None:
        if not endangered:
            return
        names = ", ".join(change.resource for change in endangered)
        self.terminal.warn(
            f"{names}: what they hold would be lost, or left where the environment no longer finds it. Make sure that "
            "there is a copy elsewhere."
        )
        self.terminal.agree_in_person("Is that meant?", self.environment.name)

    def _clear(self, stack: Stack, name: str) -> None:
        """Take away what is left of a first creation that failed, as long as nobody has put anything into it."""
        formation, remains = self.formation(stack), self.remains(stack)
        resources = formation.resources(name)
        held = [words for one in left(resources) if (words := remains.holding(one)) is not None]
        if held:
            raise DeploymentError(
                f"{name} was never finished, yet holds something: {'; '.join(held)}. Find out who put it there; save "
                "it or remove it, then deploy again."
            )
        self.hold()
        remove(
            name,
            resources,
            formation=formation,
            remains=remains,
            leftovers=self.leftovers,
            terminal=self.terminal,
        )

    def smoke(self, app: Stack) -> Smoke:
        """What tries the app."""
        return Smoke(
            clients=self.clients,
            formation=self.formation(app),
            region=region_of(app, self.environment),
            stack=self.name(app),
            pause=self.pause,
        )

    def _try_out(self, app: Stack, release: Release, *, changed: bool) -> None:
        """Try the app. Raises DeploymentError when it does not work, once the release before is back."""
        faults = self.smoke(app).faults()
        if not faults:
            self.terminal.say(f"{self.name(app)} was tried: it answers as it should.")
            return
        self.terminal.warn(f"{self.name(app)} does not work:")
        for fault in faults:
            self.terminal.warn(f"  {fault}")
        environment = self.environment.name
        look = f"Look at the functions' logs and at imprimatur doctor --env {environment}."
        if release.restores is not None:
            raise DeploymentError(
                f"Release {release.restores} is back and does not work either, so the cause is not in the app. {look}"
            )
        if not changed:
            raise DeploymentError(
                f"The stack is as it was, so nothing is taken back. {look} The release before comes back with "
                f"imprimatur rollback --env {environment}."
            )
        before = self.releases.before(release)
        if before is None or APP not in before.stacks:
            raise DeploymentError(
                f"There is no release before this one that worked, so it stays. {look} Put it right and deploy again."
            )
        self._take_back(app, release, before)
        self._record(replace(release, state=State.WITHDRAWN))
        raise DeploymentError(
            f"Release {before.id} is back and works; {release.id} is withdrawn. Put it right and deploy again."
        )

    def _take_back(self, app: Stack, release: Release, before: Release) -> None:
        """Have the app of the release before; what keeps data stays as it now is."""
        self.terminal.say(f"\nGoing back to the app of release {before.id}.")
        restored = self.releases.begin(
            at=self.now(), by=self.caller.arn, source=before.source, current=before
        )
        restored = replace(restored, stacks=release.stacks, before=before.before)
        unasked = replace(self, terminal=replace(self.terminal, assume_yes=True))
        unasked.apply([from_record(app, before.stacks[APP])], restored, restores=before.id)
