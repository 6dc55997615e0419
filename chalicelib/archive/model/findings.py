"""What a verification can find, each in words a person understands.

The texts are here and not in the interface's message table: the verifier needs nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Code(StrEnum):
    """The kinds of findings. Stable words: programs may match them."""

    SHA256 = "sha256"
    NOT_A_PACKAGE = "not_a_package"
    CUT_SHORT = "cut_short"
    BAD_NAME = "bad_name"
    DUPLICATE_NAME = "duplicate_name"
    COMPRESSED = "compressed"
    CHECKSUM = "checksum"
    CONTAINER = "container"
    FOLDER = "folder"
    MISSING_FILE = "missing_file"
    UNEXPECTED_FILE = "unexpected_file"
    DIGEST = "digest"
    TAG_FILE = "tag_file"
    NOT_CANONICAL = "not_canonical"
    NOT_AN_EVENT = "not_an_event"
    NOT_A_REVISION = "not_a_revision"
    ATTACHMENTS = "attachments"
    ATTACHED = "attached"
    SEQUENCE = "sequence"
    CHAIN = "chain"
    OTHER_SUBMISSION = "other_submission"
    ROUNDS = "rounds"
    SUBMITTED_AT = "submitted_at"
    CONTENT_DIGEST = "content_digest"
    NOT_PUBLISHED = "not_published"
    AFTER_PUBLICATION = "after_publication"
    CATALOG_NUMBER = "catalog_number"
    PROCEDURE = "procedure"
    APPROVALS = "approvals"
    OWN_TEXT = "own_text"
    UNCONFIRMED = "unconfirmed"
    NOT_A_PERSON = "not_a_person"
    APPROVED_BEFORE_SUBMITTED = "approved_before_submitted"
    OPINION = "opinion"
    UNSIGNED = "unsigned"
    SERVICE_SIGNATURE = "service_signature"
    ENROLMENT = "enrolment"
    PASSKEY_SIGNATURE = "passkey_signature"
    DECIDED_AT = "decided_at"
    PROOF = "proof"
    RESCHEDULED = "rescheduled"
    TOO_EARLY = "too_early"
    DELIVERIES = "deliveries"
    FORM = "form"
    CONTENT = "content"
    CATALOG = "catalog"
    RENDERED = "rendered"


TEXTS: Mapping[Code, tuple[str, str]] = {
    Code.SHA256: (
        "整个档案包的 SHA-256 与预期不符：预期 {expected}，实际 {actual}。",
        "The SHA-256 of the whole package is not the expected one: expected {expected}, found {actual}.",
    ),
    Code.NOT_A_PACKAGE: (
        "这不是档案包：文件开头不是本格式的第一个条目。",
        "This is not an archive package: it does not begin with an entry of this format.",
    ),
    Code.CUT_SHORT: (
        "文件在第 {offset} 字节处的条目中中断，内容不完整。",
        "The file ends inside the entry that begins at byte {offset}.",
    ),
    Code.BAD_NAME: (
        "条目名称 {name} 不是本格式允许的名称。",
        "The entry name {name} is not one that the format allows.",
    ),
    Code.DUPLICATE_NAME: ("同名条目出现了不止一次。", "More than one entry has this name."),
    Code.COMPRESSED: (
        "条目被压缩或声明了两种大小；档案包的条目一律不压缩。",
        "The entry is compressed, or declares two sizes; entries of a package are stored as they are.",
    ),
    Code.CHECKSUM: (
        "内容与其校验和（CRC-32）不符：文件内容或校验和被改动。",
        "The contents do not match their checksum (CRC-32): one of the two was changed.",
    ),
    Code.CONTAINER: (
        "容器被改动：第 {offset} 字节起与规范形式不同。",
        "The container was changed: from byte {offset} on it differs from the canonical form.",
    ),
    Code.FOLDER: (
        "档案包应只有一个以档号命名的顶层文件夹，实际为 {found}。",
        "A package has exactly one top folder, named after its catalogue number; found {found}.",
    ),
    Code.MISSING_FILE: ("缺少这个文件。", "This file is missing."),
    Code.UNEXPECTED_FILE: (
        "不应有这个文件，或清单没有列出它。",
        "This file does not belong here, or no manifest lists it.",
    ),
    Code.DIGEST: (
        "文件内容与清单中的 SHA-256 不符：文件或清单被改动。",
        "The contents do not match the SHA-256 in the manifest: one of the two was changed.",
    ),
    Code.TAG_FILE: (
        "这个标签文件的内容不是由档案内容推得的内容。",
        "This tag file does not say what follows from the archived contents.",
    ),
    Code.NOT_CANONICAL: (
        "不是规范的 JSON（RFC 8785）对象。",
        "This is not a JSON object in canonical form (RFC 8785).",
    ),
    Code.NOT_AN_EVENT: ("不是已知版本的事件记录。", "This is not an event of a known version."),
    Code.NOT_A_REVISION: ("不是申请表的一个版次。", "This is not a revision of a publication request."),
    Code.ATTACHMENTS: (
        "附件清单的格式不对，或与申请表所列的附件不一致。",
        "The list of attachments is malformed, or is not that of the form.",
    ),
    Code.ATTACHED: (
        "附件不是获得批准的附件：内容或大小与申请表的附件清单不符。",
        "The attachment is not the approved one: its SHA-256 or size is not what the form's list says.",
    ),
    Code.SEQUENCE: (
        "事件序号应为 {expected}，实际为 {found}：有事件被删除、插入或调换。",
        "The event's number should be {expected} and is {found}: an event was removed, inserted or moved.",
    ),
    Code.CHAIN: (
        "事件没有接在前一事件之后（prev_hash 不符）：此处或前一事件被改动。",
        "The event does not follow the one before it (prev_hash): one of the two was changed.",
    ),
    Code.OTHER_SUBMISSION: (
        "事件属于另一份申请 {found}。",
        "The event belongs to another submission, {found}.",
    ),
    Code.ROUNDS: (
        "事件中依次提交的版次为 {events}，档案中有 {revisions} 个版次。",
        "The events submit revisions {events}; the package holds {revisions} revisions.",
    ),
    Code.SUBMITTED_AT: (
        "版次的时间与其提交事件的时间不符。",
        "The revision's time is not that of the event that submitted it.",
    ),
    Code.CONTENT_DIGEST: (
        "事件中的内容摘要与第 {revision} 版的内容不符。",
        "The content digest in the event is not that of revision {revision}.",
    ),
    Code.NOT_PUBLISHED: (
        "最后一个事件不是内容完整的“已发布”（Published）事件。",
        "The last event is not a complete publication (Published).",
    ),
    Code.AFTER_PUBLICATION: (
        "在最后一个事件之前已有“已发布”（Published）事件。",
        "There is a publication (Published) before the last event.",
    ),
    Code.CATALOG_NUMBER: (
        "{found} 不是档号。",
        "{found} is not a catalogue number.",
    ),
    Code.PROCEDURE: (
        "审核程序不是这一轮审核开始时的程序：文件内容与送审事件所记的摘要不符。",
        "This is not the procedure that the round began with: the event that handed the text in has another digest.",
    ),
    Code.APPROVALS: (
        "发布的第 {revision} 版没有依次通过审核程序的各个环节；记录为：{found}。",
        "Published revision {revision} lacks the approvals of its procedure in their order; recorded: {found}.",
    ),
    Code.OWN_TEXT: (
        "有人审核了自己拟写、修改或确认的稿件。",
        "Somebody decided on a text that they had drafted, amended or confirmed.",
    ),
    Code.UNCONFIRMED: (
        "编辑修改的第 {revision} 版未经他人确认即被审核。",
        "Revision {revision}, which an editor amended, was decided on before anybody else confirmed it.",
    ),
    Code.NOT_A_PERSON: (
        "审核决定不是由人作出的：{actor}。",
        "The decision was not made by a person: {actor}.",
    ),
    Code.APPROVED_BEFORE_SUBMITTED: (
        "审核决定早于该版次的提交。",
        "The decision comes before the revision was submitted.",
    ),
    Code.OPINION: (
        "审核意见与审核事件（{event}）不一致：{members}。",
        "The opinion differs from the decision in the events ({event}): {members}.",
    ),
    Code.UNSIGNED: (
        "审核意见没有签名：它早于签名制度，或签名已被移除。",
        "The opinion is not signed: it is older than signatures are, or its signatures were taken away.",
    ),
    Code.SERVICE_SIGNATURE: (
        "系统对审核意见的签名不成立：意见、检查清单、审核人或决定被改动，或签名出自另一把密钥。",
        "The service's signature does not hold: the opinion or its reviewer was changed, or another key signed.",
    ),
    Code.ENROLMENT: (
        "没有系统签名的登记记录证明这个通行密钥属于该审核人。",
        "No enrolment under the service's signature says that this passkey is the reviewer's.",
    ),
    Code.PASSKEY_SIGNATURE: (
        "审核人通行密钥的签名不是对这份意见的签名。",
        "The signature of the reviewer's passkey is not one over this opinion.",
    ),
    Code.DECIDED_AT: (
        "签名的决定时间与事件时间不符。",
        "The time of the decision that was signed is not that of the event.",
    ),
    Code.PROOF: (
        "审核人以 {found} 证明本人；按审核程序，该环节对此密级不接受这种方式。",
        "The proof of person, {found}, is not enough for this stage and classification by the procedure.",
    ),
    Code.RESCHEDULED: (
        "更改发布时间的记录不成立：不是由人作出、缺少时间或原因、与此前的时间不相接，或不在批准之后、发布之前。",
        "The move of the publish time does not hold: by nobody, incomplete, from another time, or not while scheduled.",
    ),
    Code.TOO_EARLY: (
        "发布早于最后定下的时间。",
        "Publishing began before the time that was set last.",
    ),
    Code.DELIVERIES: (
        "发布记录与发布事件（Delivered）不一致。",
        "The publication record differs from the deliveries in the events (Delivered).",
    ),
    Code.FORM: (
        "申请表不是获得批准的第 {revision} 版。",
        "The form is not the approved one, revision {revision}.",
    ),
    Code.CONTENT: ("正文与申请表中的正文不同。", "The content differs from the body of the form."),
    Code.CATALOG: (
        "目录条目与申请表或发布事件不一致：{members}。",
        "The catalogue entry differs from the form or the publication: {members}.",
    ),
    Code.RENDERED: (
        "文件与发布回执中的 SHA-256 不符、多余或缺失。",
        "The file is not the one whose SHA-256 the delivery's receipt names, or one of the two is missing.",
    ),
}
"""Each finding in simplified Chinese and in English."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong. `where` is a path inside the package's top folder, "" for the package as a whole."""

    where: str
    code: Code
    params: Mapping[str, str | int] = field(default_factory=dict)

    def message(self, language: str = "zh-Hans") -> str:
        """What is wrong, for a person: English for `en`, simplified Chinese for everything else."""
        chinese, english = TEXTS[self.code]
        return (english if language == "en" else chinese).format(**self.params)
