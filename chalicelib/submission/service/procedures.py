"""Which reviews a round goes through: what the center says when it begins."""

from functools import cached_property
from pathlib import Path
from typing import Any

from chalicelib.core.table import Found, Key, Table, Write
from chalicelib.submission.model import Submission
from chalicelib.submission.procedure import Procedure, ProcedureError, read_procedure
from chalicelib.submission.store import procedure_key, put_procedure, read_kept_procedure


class Procedures:
    """The procedures of review: the present one, and those that rounds under way keep."""

    def __init__(self, *, table: Table, folder: Path) -> None:
        self._table = table
        self._folder = folder
        self._known: dict[str, Procedure] = {}

    @cached_property
    def present(self) -> Procedure:
        """What the center says now. Raises OSError or ProcedureError."""
        return read_procedure(self._folder)

    def of(self, head: Submission) -> Procedure:
        """The procedure of a submission's round. Raises ProcedureError when it is lost."""
        return self.version(head.procedure)

    def version(self, version: str | None) -> Procedure:
        """One version, None for the present one. Raises ProcedureError when it is lost."""
        if version is None or version == self.present.version:
            return self.present
        if version not in self._known:
            record = self._table.get(procedure_key(version))
            if record is None:
                raise ProcedureError(f"no procedure of the version {version}")
            self._known[version] = read_kept_procedure(record)
        return self._known[version]

    @property
    def key(self) -> Key[Any]:
        """Where the present procedure is kept, for whoever reads it together with something else."""
        return procedure_key(self.present.version)

    def to_keep(self, found: Found) -> tuple[Write, ...]:
        """What must be written together with a round that begins, so that it keeps its procedure; read from `key`."""
        return () if found.has(self.key) else (put_procedure(self.present),)
