"""What reviewers do, and what the review machine does for them."""

from chalicelib.review.service.decisions import Decisions, OpenedLink
from chalicelib.review.service.rounds import Rounds

__all__ = ["Decisions", "OpenedLink", "Rounds"]
