"""What an archive package is, how it is built, and how anybody checks it (clauses 3.5.2, 3.5.3)."""

from chalicelib.archive.model.catalog import CatalogRules, Series, Term, ascii_name, catalog_number, parse
from chalicelib.archive.model.evidence import Approval, Facts
from chalicelib.archive.model.findings import Code, Finding
from chalicelib.archive.model.package import Dossier, build
from chalicelib.archive.model.verification import Report, verify

__all__ = [
    "Approval",
    "CatalogRules",
    "Code",
    "Dossier",
    "Facts",
    "Finding",
    "Report",
    "Series",
    "Term",
    "ascii_name",
    "build",
    "catalog_number",
    "parse",
    "verify",
]
