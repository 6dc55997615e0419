"""How the departments' own systems reach the desk."""

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
