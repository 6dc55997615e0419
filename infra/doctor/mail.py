"""Whether mails go out: without them nobody signs in, and nobody reviews."""

from collections.abc import Iterator, Mapping
from email.utils import parseaddr

from botocore.exceptions import ClientError

from infra.deployment.stacks import APP
from infra.doctor.findings import Finding, Patient, ok, warning, wrong

_DAILY, _PER_SECOND = 1000, 5
"""What some hundred people need: a request takes about five mails, an announcement one for each."""
_NEARLY = 0.8


def sending(patient: Patient) -> Iterator[Finding]:
    """Whether SES lets the account send, to everybody, and enough."""
    if not _uses_ses(patient):
        yield ok("mails go out by SMTP; SES is not needed")
        return
    account = patient.deployer.clients("sesv2", patient.region).get_account()
    if not account.get("SendingEnabled", True):
        yield wrong(
            "SES has paused sending", "Read why in SES's console, Account dashboard, and answer there."
        )
    if account.get("EnforcementStatus", "HEALTHY") != "HEALTHY":
        yield wrong(
            f"SES's reputation of the account is {account['EnforcementStatus']}",
            "Read why in SES's console, Account dashboard; look for bounces and complaints of announcements.",
        )
    if not account.get("ProductionAccessEnabled", False):
        yield wrong(
            "SES is in its sandbox: mails reach only addresses that are verified one by one",
            "Ask for production access in SES's console, Get set up. It takes about a day.",
        )
    yield from _quota(account.get("SendQuota", {}))


def _quota(quota: Mapping[str, float]) -> Iterator[Finding]:
    daily, rate = quota.get("Max24HourSend", 0), quota.get("MaxSendRate", 0)
    told = f"SES takes {daily:.0f} mails a day, {rate:.0f} a second"
    advice = "Ask for more in Service Quotas: Amazon SES, Sending quota and Sending rate."
    if daily < _DAILY or rate < _PER_SECOND:
        yield warning(told, advice)
    elif quota.get("SentLast24Hours", 0) > _NEARLY * daily:
        yield warning(f"{told}; {quota['SentLast24Hours']:.0f} went out in the last 24 hours", advice)
    else:
        yield ok(told)


def identity(patient: Patient) -> Iterator[Finding]:
    """Whether the sender is who SES lets send."""
    if not _uses_ses(patient):
        return
    given = patient.deployer.environment.stacks[APP]
    name, sender = given.get("MailIdentity", ""), parseaddr(given.get("MailFrom", ""))[1]
    if name not in {sender, _domain(sender)} and not _domain(sender).endswith(f".{name}"):
        yield wrong(
            f"MailFrom {sender or 'is empty and'} does not belong to MailIdentity {name}",
            "Put right the parameters of the stack app in the environment's file, then deploy.",
        )
        return
    try:
        found = patient.deployer.clients("sesv2", patient.region).get_email_identity(EmailIdentity=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        yield wrong(
            f"SES knows no identity {name} in {patient.region}",
            "Create it in SES's console, Identities, and put its records into DNS.",
        )
        return
    if not found.get("VerifiedForSendingStatus"):
        yield wrong(
            f"the identity {name} is not verified",
            "Put the records that SES's console shows into DNS, or follow the link that SES has mailed.",
        )
    elif found.get("DkimAttributes", {}).get("Status", "SUCCESS") not in {"SUCCESS", "NOT_STARTED"}:
        yield warning(
            f"DKIM of {name} does not work", "Put the three CNAME records of SES's console into DNS again."
        )
    else:
        yield ok(f"{sender} may send, as {name}")


def replies(patient: Patient) -> Iterator[Finding]:
    """Whether what people reply reaches somebody (clause 4.4.4)."""
    given = patient.deployer.environment.stacks.get(APP)
    if given is None:
        return
    reply_to = given.get("MailReplyTo", "")
    if reply_to:
        yield ok(f"replies to mails go to {reply_to}")
    else:
        yield warning(
            f"replies to mails go to their sender, {parseaddr(given.get('MailFrom', ''))[1]}",
            "Set MailReplyTo of the stack app to a mailbox that the center reads, or read that one.",
        )


def _uses_ses(patient: Patient) -> bool:
    given = patient.deployer.environment.stacks.get(APP)
    return given is not None and given.get("MailCarrier", "ses") == "ses"


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2]
