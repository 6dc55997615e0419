"""Offline verification: is a package what was archived? For anybody, years later (clauses 1.3.4, 3.5.2).

Is the container the canonical one? Do all files match their manifests? When both are so: do the files agree
with each other? The last question catches a forger who rewrote the manifests too. A package that passes
agrees with itself; that it is the very one archived is known only by its SHA-256 from a trusted place.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.archive.model import bag, container
from chalicelib.archive.model.catalog import ascii_name, parse
from chalicelib.archive.model.evidence import Facts, examine
from chalicelib.archive.model.findings import Code, Finding

_TAG_FILES = (bag.INFO, bag.DECLARATION, bag.MANIFEST, bag.TAG_MANIFEST)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a verification came to.

    `sha256` is that of the whole package, in hexadecimal. `catalog_number` is what the package's folder says,
    None when it says none. `facts` is None when the contents could not be examined.
    """

    catalog_number: str | None
    sha256: str
    findings: tuple[Finding, ...]
    facts: Facts | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(
    package: bytes, *, expected_sha256: str | None = None, service_keys: Sequence[bytes] = ()
) -> Report:
    """Verify a package, with nothing but its bytes; never raises, whatever they are (clauses 1.3.4, 3.5.2).

    `expected_sha256`, in hexadecimal, is the digest from a trusted place; so are `service_keys` (PEM), with one of
    which every opinion must then be signed (clause 3.3.4). Nothing is ever unpacked, so
    the memory needed is a small multiple of the package's size.
    """
    sha256 = hashlib.sha256(package).hexdigest()
    findings = []
    if expected_sha256 is not None and expected_sha256.strip().lower() != sha256:
        params = {"expected": expected_sha256, "actual": sha256}
        findings.append(Finding(where="", code=Code.SHA256, params=params))
    contents = container.read(package)
    folders = sorted({name.partition("/")[0] for name in contents.entries})
    files = {container.inside(name): raw for name, raw in contents.entries.items()}
    damage = [*contents.findings, *(_bag_findings(folders, files) if files else ())]
    facts = None
    if not damage:
        payload = _payload(files)
        examination = examine(payload, service_keys)
        facts = examination.facts
        damage = [*examination.findings]
        if facts is not None:
            damage += _label_findings(folders[0], files[bag.INFO], payload, facts)
    return Report(
        catalog_number=_number(folders),
        sha256=sha256,
        findings=(*findings, *damage),
        facts=facts,
    )


def _bag_findings(folders: list[str], files: Mapping[str, bytes]) -> Iterator[Finding]:
    if len(folders) != 1:
        yield Finding(where="", code=Code.FOLDER, params={"found": ", ".join(folders)})
        return
    payload = _payload(files)
    tags = {name: raw for name, raw in files.items() if name not in payload}
    for name in sorted(tags.keys() ^ set(_TAG_FILES)):
        yield Finding(where=name, code=Code.UNEXPECTED_FILE if name in tags else Code.MISSING_FILE)
    if tags.get(bag.DECLARATION, bag.declaration()) != bag.declaration():
        yield Finding(where=bag.DECLARATION, code=Code.TAG_FILE)
    listed = {name: raw for name, raw in tags.items() if name != bag.TAG_MANIFEST}
    yield from _manifest_findings(bag.MANIFEST, tags, payload)
    yield from _manifest_findings(bag.TAG_MANIFEST, tags, listed)


def _manifest_findings(
    manifest: str, tags: Mapping[str, bytes], files: Mapping[str, bytes]
) -> Iterator[Finding]:
    if manifest not in tags:
        return
    recorded = bag.recorded_digests(tags[manifest])
    agreed = True
    for name in sorted(recorded.keys() | files.keys()):
        if name not in files:
            code = Code.MISSING_FILE
        elif name not in recorded:
            code = Code.UNEXPECTED_FILE
        elif recorded[name] != hashlib.sha256(files[name]).hexdigest():
            code = Code.DIGEST
        else:
            continue
        agreed = False
        yield Finding(where=ascii(name)[1:-1], code=code)
    if agreed and tags[manifest] != bag.manifest(files):
        yield Finding(where=manifest, code=Code.TAG_FILE)


def _label_findings(
    folder: str, info: bytes, payload: Mapping[str, bytes], facts: Facts
) -> Iterator[Finding]:
    """Whether folder and `bag-info.txt` are those of the contents."""
    if folder != ascii_name(facts.catalog_number):
        yield Finding(where="", code=Code.FOLDER, params={"found": folder})
    if info != bag.info(payload, facts):
        yield Finding(where=bag.INFO, code=Code.TAG_FILE)


def _payload(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: raw for name, raw in files.items() if name.startswith(bag.PAYLOAD)}


def _number(folders: list[str]) -> str | None:
    if len(folders) != 1:
        return None
    number = folders[0].replace("_", "·")
    try:
        parse(number)
    except ValueError:
        return None
    return number
