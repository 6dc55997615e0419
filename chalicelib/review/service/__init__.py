"""What reviews do: rounds that a state machine drives, mails and desks, and decisions that reviewers take."""

from chalicelib.review.service.decisions import Decisions, OpenedLink
from chalicelib.review.service.desk import ReviewDesk, Row, Section
from chalicelib.review.service.invitations import Invitations
from chalicelib.review.service.rounds import Rounds

__all__ = ["Decisions", "Invitations", "OpenedLink", "ReviewDesk", "Rounds", "Row", "Section"]
