"""Publication over HTTP: the brake, views, who wants announcements, and what becomes of those of unknown outcome."""

from collections.abc import Iterable
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import NotFound
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller
from chalicelib.ledger.model import Event
from chalicelib.publication.calendar import a_day, month_of
from chalicelib.publication.freeze import HISTORY, Freeze, Hand, Waiting
from chalicelib.publication.service.settling import answered, channel_named
from chalicelib.submission.model import Channel, Submission

publication_routes = Blueprint(__name__)


@publication_routes.route("/api/v1/me/announcements", methods=["GET"])
@endpoint(publication_routes)
def get_subscription(exchange: Exchange) -> Response:
    person = caller(exchange)
    return answer(exchange, {"subscribed": bootstrap.parts().mailings.is_subscribed(person.id)})


@publication_routes.route("/api/v1/me/announcements", methods=["POST"])
@endpoint(publication_routes)
def post_subscription(exchange: Exchange) -> Response:
    person = caller(exchange)
    subscribed = checked("subscription", exchange.body())["subscribed"]
    bootstrap.parts().mailings.subscribe(person.id, announcements=subscribed)
    return answer(exchange, {"subscribed": subscribed})


@publication_routes.route("/api/v1/submissions/{submission}/deliveries/{channel}/unknown", methods=["POST"])
@endpoint(publication_routes)
def settle_unknown_mails(exchange: Exchange, submission: str, channel: str) -> Response:
    person = caller(exchange)
    if channel_named(channel) is not Channel.EMAIL:
        raise NotFound
    resend = checked("unknown_mails", exchange.body())["resend"]
    settled, left = bootstrap.parts().mailings.settle(
        person, submission, resend=resend, correlation_id=exchange.correlation_id
    )
    return answer(exchange, {"settled": settled, "left": left})


@publication_routes.route("/api/v1/submissions/{submission}/deliveries/{channel}/answer", methods=["POST"])
@endpoint(publication_routes)
def answer_for_delivery(exchange: Exchange, submission: str, channel: str) -> Response:
    person = caller(exchange)
    said = checked("delivery_answer", exchange.body())
    state = bootstrap.parts().settling.answer(
        person, submission, channel_named(channel), answered(said), correlation_id=exchange.correlation_id
    )
    return answer(exchange, {"state": state})


@publication_routes.route("/api/v1/submissions/{submission}/retraction", methods=["POST"])
@endpoint(publication_routes)
def post_retraction(exchange: Exchange, submission: str) -> Response:
    person = caller(exchange)
    said = checked("retraction", exchange.body())
    head = bootstrap.parts().retracting.retract(
        person,
        submission,
        reason=said["reason"],
        title_withheld=said["title_withheld"],
        correlation_id=exchange.correlation_id,
    )
    return answer(exchange, {"state": head.state, "channels": list(head.again)})


@publication_routes.route("/api/v1/channels", methods=["GET"])
@endpoint(publication_routes)
def get_channels(exchange: Exchange) -> Response:
    states, waits = bootstrap.parts().register.look(caller(exchange))
    body = {
        "channels": [
            {
                "channel": each.channel,
                "is_served": each.is_served,
                "is_paused": each.is_paused,
                "delivered_at": to_text(each.delivered_at) if each.delivered_at else None,
                "queued": each.queued,
                "waiting": each.waiting,
            }
            for each in states
        ],
        "waiting": [
            {
                "submission": each.delivery.submission,
                "revision": each.delivery.revision,
                "channel": each.delivery.channel,
                "title": each.title,
                "reason": each.delivery.reason,
                "since": to_text(each.at),
                "receipt": each.delivery.receipt if each.title is not None else None,
                "may_answer": each.may_answer,
            }
            for each in waits
        ],
    }
    return answer(exchange, body)


@publication_routes.route("/api/v1/submissions/{submission}/views", methods=["POST"], content_types=["*/*"])
@endpoint(publication_routes)
def post_view(exchange: Exchange, submission: str) -> Response:
    """What the website's pages tell (`channels/website/views.js`), from another host and by nobody in particular."""
    parts = bootstrap.parts()
    parts.views.seen(submission, address=parts.address_of(exchange), headers=exchange.headers)
    return answer(exchange, {}, status=202)


@publication_routes.route("/api/v1/submissions/{submission}/deliveries/{channel}/display", methods=["POST"])
@endpoint(publication_routes)
def confirm_display(exchange: Exchange, submission: str, channel: str) -> Response:
    person = caller(exchange)
    if channel_named(channel) is not Channel.NOTICE_BOARD:
        raise NotFound
    revision = checked("display", exchange.body())["revision"]
    confirmed = bootstrap.parts().displaying.confirm(
        person, submission, revision=revision, correlation_id=exchange.correlation_id
    )
    return answer(exchange, {"confirmed": list(confirmed)})


@publication_routes.route("/api/v1/audience-preview", methods=["POST"])
@endpoint(publication_routes)
def preview_audience(exchange: Exchange) -> Response:
    person = caller(exchange)
    found = bootstrap.parts().previews.asked(person, checked("audience_preview", exchange.body()))
    body = {
        "reached": found.reached,
        "by_department": [{"department": name, "count": n} for name, n in found.by_department.items()],
        "held_back": [{"reason": reason, "count": n} for reason, n in found.held_back.items()],
        "names": None if found.names is None else list(found.names),
        "complete": found.complete,
    }
    return answer(exchange, body)


@publication_routes.route("/api/v1/submissions/{submission}/schedule", methods=["POST"])
@endpoint(publication_routes)
def post_schedule(exchange: Exchange, submission: str) -> Response:
    person = caller(exchange)
    said = checked("reschedule", exchange.body())
    head = bootstrap.parts().rescheduling.reschedule(
        person, submission, said, correlation_id=exchange.correlation_id
    )
    body = {
        "id": head.id,
        "revision": head.revision,
        "state": head.state,
        "publish_at": to_text(head.publish_at),
        "time_zone": head.time_zone,
    }
    return answer(exchange, body)


@publication_routes.route("/api/v1/calendar", methods=["GET"])
@endpoint(publication_routes)
def get_calendar(exchange: Exchange) -> Response:
    person, planning = caller(exchange), bootstrap.parts().planning
    first, last = month_of(planning.today())
    first = a_day(exchange.query, "from", first)
    last = a_day(exchange.query, "to", max(last, first))
    plan = planning.plan(person, first, last)
    body = {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "time_zone": planning.zone.key,
        "days": [
            {"date": day.day.isoformat(), "works": day.works, "holiday": day.holiday, "made_up": day.made_up}
            for day in plan.days
        ],
        "items": list(map(_planned, plan.items)),
        "loads": [
            {
                "date": load.day.isoformat(),
                "channel": load.channel,
                "taken": load.taken,
                "most": load.most,
            }
            for load in plan.loads
        ],
        "rest": to_text(plan.rest) if plan.rest else None,
    }
    return answer(exchange, body)


@publication_routes.route("/api/v1/freezes", methods=["GET"])
@endpoint(publication_routes)
def get_freezes(exchange: Exchange) -> Response:
    freezing = bootstrap.parts().freezing
    standing = freezing.look(caller(exchange))
    body = {
        "freezes": [_freeze(freeze) for freeze in standing.freezes],
        "waiting": _waiting(standing.waits),
        "waiting_count": standing.count,
        "may_lift": standing.may_lift,
        "history": [_told(event) for event in freezing.history(HISTORY)],
    }
    return answer(exchange, body)


@publication_routes.route("/api/v1/freezes", methods=["POST"])
@endpoint(publication_routes)
def post_freeze(exchange: Exchange) -> Response:
    hand = Hand(person=caller(exchange), correlation_id=exchange.correlation_id)
    said = checked("freeze", exchange.body())
    until = from_text(said["until"]) if "until" in said else None
    freeze = bootstrap.parts().freezing.freeze(hand, scope=said["scope"], reason=said["reason"], until=until)
    return answer(exchange, {"freeze": _freeze(freeze)})


@publication_routes.route("/api/v1/freezes/lift", methods=["POST"])
@endpoint(publication_routes)
def lift_freeze(exchange: Exchange) -> Response:
    hand = Hand(person=caller(exchange), correlation_id=exchange.correlation_id)
    said = checked("unfreeze", exchange.body())
    lifted = bootstrap.parts().freezing.lift(
        hand, scope=said["scope"], reason=said["reason"], seq=said.get("seq")
    )
    body = {
        "freeze": _freeze(lifted.freeze),
        "waited": _waiting(lifted.waited),
        "waited_count": lifted.count,
    }
    return answer(exchange, body)


def _freeze(freeze: Freeze) -> dict[str, Any]:
    return {
        "scope": freeze.scope,
        "reason": freeze.reason,
        "by": freeze.by,
        "actor": freeze.actor,
        "since": to_text(freeze.since),
        "until": to_text(freeze.until) if freeze.until else None,
        "seq": freeze.seq,
    }


def _planned(head: Submission) -> dict[str, Any]:
    return {
        "submission": head.id,
        "title": head.title,
        "department": head.department,
        "state": head.state,
        "classification": head.classification,
        "importance": head.importance,
        "channels": list(head.channels),
        "publish_at": to_text(head.publish_at),
        "time_zone": head.time_zone,
        "catalog_number": head.catalog_number,
    }


def _waiting(waits: Iterable[Waiting]) -> list[dict[str, Any]]:
    return [
        {
            "submission": each.head.id,
            "title": each.head.title,
            "department": each.head.department,
            "state": each.head.state,
            "publish_at": to_text(each.head.publish_at),
            "channels": list(each.channels),
            "outcome": each.outcome,
        }
        for each in waits
    ]


def _told(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "type": event.type,
        "at": to_text(event.at),
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "policy_line": None if event.policy is None else event.policy.line,
        "payload": dict(event.payload),
    }
