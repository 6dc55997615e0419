"""Schedules say what somebody meant: CloudFormation takes an expression that never comes true, or refuses it late."""

import re
from collections.abc import Iterator

from infra.checks.findings import Finding
from infra.checks.templates import of_type, walk
from infra.checks.tree import Tree

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minutes", 0, 59, []),
    ("hours", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 1, 7, _DAYS),
    ("year", 1970, 2199, []),
)
_SPECIAL = {
    2: re.compile(r"L|LW|\d{1,2}W"),
    4: re.compile(r"L|\dL|\d#[1-5]|(?:SUN|MON|TUE|WED|THU|FRI|SAT)#[1-5]"),
}
_KEYS = {"Schedule", "ScheduleExpression"}


def expressions(tree: Tree) -> Iterator[Finding]:
    """Every `rate(…)` and `cron(…)` of every template is one that AWS understands."""
    for file, template in tree.deployed.items():
        for name, one in template["Resources"].items():
            for value in walk(one.get("Properties", {})):
                for key in _KEYS & value.keys() if isinstance(value, dict) else ():
                    if isinstance(value[key], str) and (fault := fault_of(value[key])):
                        yield Finding(file=file, where=name, message=f"{value[key]}: {fault}")


def backups(tree: Tree) -> Iterator[Finding]:
    """The table is backed up daily, kept, and copied to the vault of another region where there is one."""
    plans = of_type(tree.data, "AWS::Backup::BackupPlan")
    selected = [
        one["BackupSelection"]["Resources"]
        for one in of_type(tree.data, "AWS::Backup::BackupSelection").values()
    ]
    if [{"Fn::GetAtt": ["Records", "Arn"]}] not in selected:
        yield Finding(file="data.yaml", where="BackupSelection", message="does not back up the table")
    for name, plan in plans.items():
        for rule in plan["BackupPlan"]["BackupPlanRule"]:
            copies = [copy["DestinationBackupVaultArn"] for copy in rule.get("CopyActions", [])]
            if {"Ref": "BackupVaultArn"} not in copies:
                yield Finding(
                    file="data.yaml", where=name, message=f"{rule['RuleName']} copies to no other region"
                )
            if "DeleteAfterDays" not in rule.get("Lifecycle", {}):
                yield Finding(
                    file="data.yaml", where=name, message=f"{rule['RuleName']} keeps backups for ever"
                )


def fault_of(expression: str) -> str | None:
    """What is wrong with a schedule expression; None when nothing is."""
    if rate := _RATE.fullmatch(expression):
        number = int(rate[1])
        if number == 0:
            return "never"
        return None if (number == 1) == (rate[3] == "") else "1 minute, but 2 minutes"
    cron = _CRON.fullmatch(expression)
    if cron is None:
        return "neither rate(number unit) nor cron() with six fields"
    days, weekdays = cron[3], cron[5]
    if (days == "?") == (weekdays == "?"):
        return "one of the two kinds of days must be ?, and the other not"
    for position, ((field, least, most, words), text) in enumerate(zip(_FIELDS, cron.groups(), strict=True)):
        if text == "?" and position in _SPECIAL:
            continue
        special = _SPECIAL.get(position)
        if not all(
            _is_sound(part, least, most, words) or (special and special.fullmatch(part))
            for part in text.split(",")
        ):
            return f"{text} is no {field}"
    return None


def _is_sound(part: str, least: int, most: int, words: list[str]) -> bool:
    base, slash, step = part.partition("/")
    if slash and not (step.isdigit() and 1 <= int(step) <= most):
        return False
    if base == "*":
        return True
    first, _, last = base.partition("-")
    ends = [_number(end, words) for end in ((first, last) if "-" in base else (first,))]
    sound = [number for number in ends if number is not None and least <= number <= most]
    return len(sound) == len(ends) and sound == sorted(sound)


def _number(text: str, words: list[str]) -> int | None:
    if text.upper() in words:
        return words.index(text.upper()) + 1
    return int(text) if text.isdigit() else None
