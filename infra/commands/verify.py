"""`imprimatur verify PACKAGE`: whether a package is what was archived, found out offline (clause 3.5.2)."""

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from chalicelib.archive.model.evidence import Facts
from chalicelib.archive.model.verification import Report, verify
from chalicelib.core.clock import to_text

OK, FINDINGS, UNREADABLE = 0, 1, 2

_CHINESE: Mapping[str, str] = {
    "catalog_number": "档号",
    "title": "标题",
    "revision": "发布版次",
    "initial": "初审通过",
    "department_head": "部门负责人审核通过",
    "executive": "分管领导审核通过",
    "published_at": "发布时间",
    "events": "事件",
    "opinions": "签名的审核意见",
    "opinions_value": "{count} 份中有 {signed} 份{checked}",
    "by_keys": "，已用系统公钥核对",
    "without_keys": "，未核对系统签名（--service-key）",
    "sha256": "SHA-256",
    "events_value": "共 {count} 个，最后一个的散列 {hash}",
    "package": "整个档案包",
    "ok": "通过：档案包完整，未被改动。",
    "self": (
        "通过：档案包与其自身一致。"
        "要确认它就是当初存档的那一个，请将上面的 SHA-256 与档案目录核对（--sha256）。"
    ),
    "findings": "未通过：发现 {count} 处问题。",
    "unreadable": "无法读取文件：{reason}",
}
_ENGLISH: Mapping[str, str] = {
    "catalog_number": "Catalogue number",
    "title": "Title",
    "revision": "Published revision",
    "initial": "Approved, initial review",
    "department_head": "Approved, department head",
    "executive": "Approved, executive",
    "published_at": "Published",
    "events": "Events",
    "opinions": "Signed opinions",
    "opinions_value": "{signed} of {count}{checked}",
    "by_keys": ", checked with the service's public key",
    "without_keys": ", the service's signature not checked (--service-key)",
    "sha256": "SHA-256",
    "events_value": "{count}, the last with hash {hash}",
    "package": "the whole package",
    "ok": "Passed: the package is complete and unchanged.",
    "self": (
        "Passed: the package agrees with itself. To know that it is the very one that was archived, compare "
        "the SHA-256 above with the catalogue's (--sha256)."
    ),
    "findings": "Failed: problems found: {count}.",
    "unreadable": "The file cannot be read: {reason}",
}


def run(package: Path, *, sha256: str | None, language: str, service_keys: Sequence[Path] = ()) -> int:
    """Verify the file and print a report in English (`en`) or Chinese (anything else).

    `sha256` is the package's digest from a trusted place, if there is one; so are the files of `service_keys`. The
    answer is the exit status: 0 when nothing is wrong, 1 when something is, 2 when a file cannot be read.
    """
    texts = _ENGLISH if language == "en" else _CHINESE
    try:
        raw = package.read_bytes()
        keys = [file.read_bytes() for file in service_keys]
    except OSError as error:
        print(texts["unreadable"].format(reason=_printable(str(error))), file=sys.stderr)
        return UNREADABLE
    report = verify(raw, expected_sha256=sha256, service_keys=keys)
    for line in _lines(report, texts, language, anchored=sha256 is not None, keyed=bool(keys)):
        print(_printable(line))
    return OK if report.ok else FINDINGS


def _lines(
    report: Report, texts: Mapping[str, str], language: str, *, anchored: bool, keyed: bool
) -> list[str]:
    facts = {"catalog_number": report.catalog_number or "-"}
    if report.facts is not None:
        facts |= _fact_values(report.facts, texts, keyed=keyed)
    facts["sha256"] = report.sha256
    colon = ": " if language == "en" else "："
    lines = [f"{texts[name]}{colon}{value}" for name, value in facts.items()]
    lines += [f"✗ {f.where or texts['package']}{colon}{f.message(language)}" for f in report.findings]
    if report.findings:
        return [*lines, texts["findings"].format(count=len(report.findings))]
    return [*lines, texts["ok" if anchored else "self"]]


def _fact_values(facts: Facts, texts: Mapping[str, str], *, keyed: bool) -> dict[str, str]:
    approvals = {
        approval.stage: f"{approval.reviewer} {to_text(approval.at)}"
        for approval in facts.approvals
        if approval.stage in texts
    }
    return {
        "title": facts.title,
        "revision": str(facts.revision),
        **approvals,
        "published_at": to_text(facts.published_at),
        "opinions": texts["opinions_value"].format(
            count=facts.opinion_count,
            signed=facts.signed_count,
            checked=texts["by_keys" if keyed else "without_keys"] if facts.signed_count else "",
        ),
        "events": texts["events_value"].format(count=facts.event_count, hash=facts.last_event_hash),
    }


def _printable(line: str) -> str:
    """The line without control characters, with which a forged package could rewrite the terminal."""
    return "".join("�" if unicodedata.category(character) == "Cc" else character for character in line)
