"""How the publication machine reaches the archive."""

from typing import Any

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.core.events import job

archive_jobs = Blueprint(__name__)


@archive_jobs.lambda_function(name="archive")
@job
def archive(event: dict[str, Any], _context: object) -> None:
    """Archive what has been published."""
    bootstrap.parts().archiving.archive(event)
