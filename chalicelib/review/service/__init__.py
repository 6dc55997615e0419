"""What reviews do: rounds that a state machine drives, the mails they send, and decisions that reviewers take."""

from chalicelib.review.service.decisions import Decisions, OpenedLink
from chalicelib.review.service.invitations import Invitations
from chalicelib.review.service.rounds import Rounds

__all__ = ["Decisions", "Invitations", "OpenedLink", "Rounds"]
