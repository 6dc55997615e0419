"""Removing files that were kept for nothing.

Handing in copies each file to where it never expires, and only then commits the revision that names it. A crash in
between, or a refusal, leaves a copy that nothing names and nothing else would ever remove.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, islice

from chalicelib.attachment.model import KeptCopy
from chalicelib.attachment.store import FileStore
from chalicelib.core.events import log, report
from chalicelib.submission.service.journal import Journal
from chalicelib.submission.store import head_key, read_head, read_revision, revision_key

DOUBT = timedelta(days=1)
"""How old a copy must be before it can be for nothing.

A request names a file only by a copy of its own, or because an earlier revision names it. No function lives for more
than a quarter of an hour; so whoever made an older copy has committed by now or never will, and whoever is about to
commit has made another. It is no wait, and no scale makes it shorter.
"""
LOOKED_BACK = timedelta(days=30)
"""How old a copy is looked at: what one run cannot do, those of the next weeks make good."""
_AT_ONCE = 50
"""Submissions about which one batch read asks."""


@dataclass(frozen=True, kw_only=True)
class Tidying:
    """Removes copies for nothing: these very copies, never a file, for a later request may have kept it again."""

    journal: Journal
    files: FileStore

    def tidy(self) -> int:
        """Remove every copy that no revision names, and answer how many there were.

        One that fails is logged and holds back no other; the next run comes to it again.
        """
        removed = 0
        copies = self._in_doubt()
        while chunk := tuple(islice(copies, _AT_ONCE)):
            try:
                named = self._named({submission for submission, _ in chunk})
            except Exception as error:  # noqa: BLE001 — whatever the table raises, the others have their turn
                report(error, "look at kept files")
                continue
            for submission, made in chunk:
                if submission in named:
                    unnamed = [copy for copy in made if copy.attachment not in named[submission]]
                    removed += sum(map(self._removed, unnamed))
        return removed

    def _in_doubt(self) -> Iterator[tuple[str, tuple[KeptCopy, ...]]]:
        """The copies that may be for nothing, by submission."""
        now = self.journal.now()
        old = (c for c in self.files.kept_copies() if DOUBT < now - c.made_at < LOOKED_BACK)
        for submission, copies in groupby(old, key=lambda copy: copy.submission):
            yield submission, tuple(copies)

    def _named(self, submissions: set[str]) -> dict[str, set[str]]:
        """The ids of the files that any revision of each of these submissions names, as recorded now.

        A submission with a revision that must be there and is not is left out: it may have named anything.
        """
        heads = {each: head_key(each) for each in submissions}
        found = self.journal.table.batch(*heads.values())
        records = {each: found.get(key) for each, key in heads.items()}
        keys = {
            each: [revision_key(each, n + 1) for n in range(read_head(record).revision)] if record else []
            for each, record in records.items()
        }
        texts = self.journal.table.batch(*(key for each in keys.values() for key in each))
        named: dict[str, set[str]] = {}
        for each, wanted in keys.items():
            present = [text for text in map(texts.get, wanted) if text is not None]
            if len(present) == len(wanted):
                named[each] = {file.id for text in present for file in read_revision(text).attachments}
            else:
                log.error("a revision of %s is missing: none of its files is removed", each)
        return named

    def _removed(self, copy: KeptCopy) -> bool:
        try:
            self.files.remove(copy)
        except Exception as error:  # noqa: BLE001 — as above
            report(error, "removal of a kept copy")
            return False
        return True
