"""The container of a package: a ZIP file with exactly one possible spelling, so that any changed byte shows.

Every tool opens it, yet nothing is left to choice: entries are sorted and stored, metadata is fixed. It is
written by hand because a later version of the standard library's writer may choose other header values.
"""

import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.archive.model.findings import Code, Finding

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION_MADE_BY = 3 << 8 | 20
_VERSION_NEEDED = 10
_FLAGS = _STORED = _TIME = 0
_DATE = 1 << 5 | 1
_ATTRIBUTES = 0o100644 << 16
_LIMIT = 0xFFFFFFFF
_MOST_ENTRIES = 0xFFFE
_LONGEST_NAME = 255
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What could be read of a container: contents by full name, and what is wrong with the container."""

    entries: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def is_name(name: str) -> bool:
    """Whether an entry may have this name: relative, ASCII, `/` between parts, no part begins with a dot."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def write(entries: Mapping[str, bytes]) -> bytes:
    """The one container that holds these entries, by full name.

    Raises ValueError for a name that `is_name` refuses, and beyond the limits of ZIP without extensions:
    65,534 entries, 4 GiB.
    """
    for name in entries:
        if not is_name(name):
            raise ValueError(f"not a name for an archived file: {name!r}")
    overhead = _LOCAL.size + _CENTRAL.size
    size = sum(overhead + 2 * len(name) + len(data) for name, data in entries.items()) + _END.size
    if len(entries) > _MOST_ENTRIES or size > _LIMIT:
        raise ValueError("more than one package can hold")
    local, directory = bytearray(), bytearray()
    for name, data in sorted(entries.items()):
        raw_name = name.encode("ascii")
        shared = (_FLAGS, _STORED, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(raw_name), 0)
        directory += _CENTRAL.pack(
            _CENTRAL_SIGNATURE, _VERSION_MADE_BY, _VERSION_NEEDED, *shared, 0, 0, 0, _ATTRIBUTES, len(local)
        )
        directory += raw_name
        local += _LOCAL.pack(_LOCAL_SIGNATURE, _VERSION_NEEDED, *shared)
        local += raw_name
        local += data
    end = _END.pack(_END_SIGNATURE, 0, 0, len(entries), len(entries), len(directory), len(local), 0)
    return bytes(local + directory + end)


def read(package: bytes) -> Contents:
    """Read whatever bytes are given; never raises, and needs no more memory than they take.

    No finding means that `write` gives these very bytes for the entries read.
    """
    entries: dict[str, bytes] = {}
    findings: list[Finding] = []
    starts: list[tuple[int, str]] = []
    offset = 0
    while len(starts) <= _MOST_ENTRIES and package.startswith(_LOCAL_SIGNATURE, offset):
        header = package[offset : offset + _LOCAL.size]
        if len(header) < _LOCAL.size:
            findings.append(Finding(where="", code=Code.CUT_SHORT, params={"offset": offset}))
            break
        _, _, _, method, _, _, checksum, size, full_size, name_size, extra_size = _LOCAL.unpack(header)
        name_end = offset + _LOCAL.size + name_size
        data_start = name_end + extra_size
        data = package[data_start : data_start + size]
        if data_start > len(package) or len(data) < size:
            findings.append(Finding(where="", code=Code.CUT_SHORT, params={"offset": offset}))
            break
        name = package[offset + _LOCAL.size : name_end].decode("latin-1")
        plain = method == _STORED and size == full_size
        findings += _entry_findings(name, data, entries, checksum=checksum, plain=plain)
        if is_name(name):
            entries.setdefault(name, data)
        starts.append((offset, name))
        offset = data_start + size
    if not findings:
        findings += _container_findings(package, entries, [*starts, (offset, "")])
    return Contents(entries=entries, findings=tuple(findings))


def _entry_findings(
    name: str, data: bytes, entries: Mapping[str, bytes], *, checksum: int, plain: bool
) -> list[Finding]:
    where = inside(name)
    if not is_name(name):
        return [Finding(where="", code=Code.BAD_NAME, params={"name": ascii(name[:_LONGEST_NAME])})]
    if name in entries:
        return [Finding(where=where, code=Code.DUPLICATE_NAME)]
    if not plain:
        return [Finding(where=where, code=Code.COMPRESSED)]
    if zlib.crc32(data) != checksum:
        return [Finding(where=where, code=Code.CHECKSUM)]
    return []


def _container_findings(
    package: bytes, entries: Mapping[str, bytes], starts: list[tuple[int, str]]
) -> list[Finding]:
    if not entries:
        return [Finding(where="", code=Code.NOT_A_PACKAGE)]
    try:
        rebuilt = write(entries)
    except ValueError:
        rebuilt = b""
    if rebuilt == package:
        return []
    shorter = min(len(package), len(rebuilt))
    offset = bisect_left(range(shorter), 1, key=lambda place: package[: place + 1] != rebuilt[: place + 1])
    name = max(start for start in starts if start[0] <= offset)[1]
    return [Finding(where=inside(name), code=Code.CONTAINER, params={"offset": offset})]


def inside(name: str) -> str:
    """An entry's path inside the package's top folder: the name without its first part."""
    return name.partition("/")[2] or name
