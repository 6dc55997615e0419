"""How the departments' own systems and the clock reach the desk."""

from typing import Any

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.core.events import job, unhandled

submission_jobs = Blueprint(__name__)


@submission_jobs.lambda_function(name="take_in_submissions")
@job
def take_in_submissions(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take in a batch from a department's queue; each department's stack feeds this (infra/stacks/department.yaml)."""
    return unhandled(event, bootstrap.parts().intake.take_in)


@submission_jobs.schedule("rate(1 day)", name="tidy_kept_files")
@job
def tidy_kept_files(_event: object) -> dict[str, int]:
    """Remove the files that were kept for requests which came to nothing."""
    return {"removed": bootstrap.parts().tidying.tidy()}
