"""Partners: each gets each public item once, signed, whatever becomes of the calls, and one holds back no other."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key
from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.bootstrap import POLICIES
from chalicelib.core import messages
from chalicelib.core.canonical import canonical
from chalicelib.core.clock import to_text
from chalicelib.core.errors import ChannelBusy, ChannelsFrozen, Stale
from chalicelib.core.posting import Posted
from chalicelib.ledger.model import Cause, Draft
from chalicelib.publication.channels.partners import (
    COPIES,
    RETRACTION_PATIENCE,
    Ending,
    Partner,
    PartnersChannel,
    keys_of,
    language_of,
    load_register,
    signatures,
    told_of,
)
from chalicelib.publication.freeze import Freeze, Freezes
from chalicelib.publication.model import DeliveryState, Item, Retraction, TakenBack
from chalicelib.publication.store import put_freezes
from chalicelib.submission.form import ChannelRules
from chalicelib.submission.model import Category, Channel, Classification, State, form_from_document
from tests.browsing import Browser, read_page
from tests.faults import Mode
from tests.publication.deliveries import Due
from tests.publication.partners import DueToPartners, PartnerOffice, Way, by_hand, listening
from tests.world import LIAISON, a_world
from tests.xss import VECTORS, harm_in_body

ENDS: dict[str, tuple[list[Way | int], DeliveryState, dict[str, str], int]] = {
    "taken": ([Way.TAKES], DeliveryState.DONE, {"outcome": "sent", "receipt": "copy-1"}, 1),
    "answer lost": ([Way.SILENT, Way.TAKES], DeliveryState.DONE, {"outcome": "sent", "receipt": "copy-1"}, 1),
    "broken off": ([Way.DEAF, Way.TAKES], DeliveryState.DONE, {"outcome": "sent", "receipt": "copy-1"}, 1),
    "errors": ([500, 503, 500, Way.TAKES], DeliveryState.DONE, {"outcome": "sent", "receipt": "copy-1"}, 1),
    "too many": ([429, Way.TAKES], DeliveryState.DONE, {"outcome": "sent", "receipt": "copy-1"}, 1),
    "slow": ([Way.SLOW], DeliveryState.DONE, {"outcome": "sent"}, 1),
    "huge": ([Way.HUGE], DeliveryState.DONE, {"outcome": "sent"}, 1),
    "gone": ([410], DeliveryState.FAILED, {"outcome": "refused", "reason": "status_410"}, 0),
    "redirect": ([302], DeliveryState.FAILED, {"outcome": "refused", "reason": "status_302"}, 0),
    "down": ([503], DeliveryState.NEEDS_PERSON, {"outcome": "unknown", "reason": "status_503"}, 0),
}


RETRACTED_AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def without_time(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "at"}


def item_of(due: Due) -> Item:
    head = due.journal.head(due.submission)
    return Item(head=head, revision=due.journal.revision(due.submission, 1), delivery=due.delivery)


@pytest.fixture
def listeners() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def over_http(listeners: ExitStack, *, haste: float = 10.0, **ways: list[Way | int]) -> DueToPartners:
    """Partners that listen on loopback."""
    due = DueToPartners(ways=ways, haste=haste)
    due.addresses = {name: listeners.enter_context(listening(office)) for name, office in due.offices.items()}
    due.delivering = replace(due.delivering, adapters={Channel.PARTNERS: due.partners})
    return due


@pytest.mark.parametrize("end", ENDS)
def test_whatever_a_partner_answers_over_http_it_has_the_item_once_at_most_and_the_delivery_ends(
    listeners: ExitStack, end: str
) -> None:
    """Clause 2.5.2: work with outside media and partners."""
    ways, state, told, copies = ENDS[end]
    due = over_http(listeners, haste=0.3 if Way.SLOW in ways else 10.0, daily=ways)
    assert due.run_until_ended() is state
    office = due.offices["daily"]
    assert without_time(due.told_of["daily"]) == told
    assert (office.events(), office.forged) == (["item.published"] * copies, 0)
    assert len(office.bodies) == copies, "the same bytes every time"


def test_one_partner_that_is_down_holds_back_none_and_is_named_when_a_person_is_asked(
    listeners: ExitStack,
) -> None:
    due = over_http(listeners, daily=[Way.TAKES], evening=[503], weekly=[Way.TAKES])
    with pytest.raises(ChannelBusy):
        due.run()
    assert due.offices["weekly"].events() == due.offices["daily"].events() == ["item.published"]
    assert due.run_until_ended() is DeliveryState.NEEDS_PERSON
    assert [due.offices[name].calls for name in ("daily", "weekly")] == [1, 1], "who has it is called no more"
    assert due.delivery.reason == "partners_silent"
    assert {name: told["outcome"] for name, told in due.told_of.items()} == {
        "daily": "sent",
        "evening": "unknown",
        "weekly": "sent",
    }


def test_one_that_refuses_fails_none_of_the_others(listeners: ExitStack) -> None:
    due = over_http(listeners, daily=[410], weekly=[Way.TAKES])
    assert due.run_until_ended() is DeliveryState.DONE
    assert {name: told["outcome"] for name, told in due.told_of.items()} == {
        "daily": "refused",
        "weekly": "sent",
    }


@pytest.mark.parametrize("end", ["taken", "answer lost", "broken off", "gone"])
def test_wherever_a_run_breaks_off_each_partner_has_it_once(end: str) -> None:
    """Every call of the table before it, after it and twice, with two partners."""
    ways, _, _, copies = ENDS[end]
    both: dict[str, list[Way | int]] = {"daily": ways, "weekly": [Way.TAKES]}
    calm = DueToPartners(ways=both)
    expected = calm.run_until_ended()
    assert expected is DeliveryState.DONE
    for number in range(1, calm.table.calls + 1):
        for mode in Mode:
            due = DueToPartners(ways=both)
            due.table.breaks_at = (number, mode)
            assert due.run_until_ended() is expected, (number, mode)
            assert len(due.offices["daily"].taken) == copies, (number, mode)
            assert len(due.offices["weekly"].taken) == 1, (number, mode)
            assert len(due.told) == 1, (number, mode)


def test_a_run_goes_on_where_the_one_before_died() -> None:
    due = DueToPartners(ways={"daily": [Way.TAKES], "weekly": [503, Way.TAKES]})
    with pytest.raises(ChannelBusy):
        due.run()
    assert due.run_until_ended() is DeliveryState.DONE
    assert {name: office.calls for name, office in due.offices.items()} == {"daily": 1, "weekly": 2}


def test_what_is_sent_stays_what_it_was_whatever_the_desk_would_make_of_it_by_now() -> None:
    due = DueToPartners(ways={"daily": [Way.SILENT, Way.TAKES]})
    with pytest.raises(ChannelBusy):
        due.run()
    moved = replace(due.partners, site_url="https://moved.test")
    due.delivering = replace(due.delivering, adapters={Channel.PARTNERS: moved})
    due.run()
    (sent,) = due.offices["daily"].bodies
    assert json.loads(sent)["data"]["url"] == f"https://site.test/public/{due.submission}/1/index.html"
    assert due.partners.rendered(item_of(due)) == {"partners/item.json": sent}
    receipt = due.delivery.receipt
    assert receipt is not None
    assert receipt["files"] == {"item.json": hashlib.sha256(sent).hexdigest()}


def test_a_partner_gets_what_it_asked_for_and_nothing_else() -> None:
    wanting = {"daily": frozenset({Category.NEWS}), "weekly": frozenset({Category.NOTICE, Category.RULES})}
    due = DueToPartners(ways={"daily": [Way.TAKES], "weekly": [Way.TAKES]}, wanting=wanting)
    assert due.run_until_ended() is DeliveryState.DONE
    assert {name: office.calls for name, office in due.offices.items()} == {"daily": 0, "weekly": 1}
    chinese = form_from_document(due.form())
    english = replace(chinese, title="Power cut on 1 May")
    partner = Partner(id="daily", name="Daily", url="", languages=frozenset({"en"}))
    assert (language_of(chinese), language_of(english)) == ("zh", "en")
    assert (partner.wants(chinese), partner.wants(english)) == (False, True)


def test_an_item_that_nobody_wants_fails_and_says_so() -> None:
    due = DueToPartners(wanting={"daily": frozenset({Category.NEWS})})
    assert due.run_until_ended() is DeliveryState.FAILED
    assert due.delivery.reason == "no_partner"


def test_a_partner_without_a_key_is_called_once_it_has_one_and_holds_back_nobody() -> None:
    due = DueToPartners(ways={"daily": [Way.TAKES], "weekly": [Way.TAKES]}, keyless=frozenset({"daily"}))
    assert due.run_until_ended() is DeliveryState.NEEDS_PERSON
    assert due.delivery.reason == "partner_not_set_up"
    assert without_time(due.told_of["daily"]) == {"outcome": "pending", "reason": "no_key"}
    assert due.offices["weekly"].events() == ["item.published"]
    due.keyless = frozenset()
    item = item_of(due)
    assert due.partners.deliver(item).receipt["outcomes"]["daily"]["outcome"] == "sent"
    assert {name: office.calls for name, office in due.offices.items()} == {"daily": 1, "weekly": 1}


def test_one_who_has_left_the_register_is_called_no_more() -> None:
    due = DueToPartners(ways={"daily": [503], "weekly": [Way.TAKES]})
    with pytest.raises(ChannelBusy):
        due.run()
    del due.offices["daily"]
    assert due.run_until_ended() is DeliveryState.DONE
    assert without_time(due.told_of["daily"]) == {"outcome": "refused", "reason": "left"}


def test_no_partner_is_called_once_the_channel_is_frozen() -> None:
    """Clause 5.1.2, between two partners, too."""
    due = DueToPartners(ways={"daily": [Way.TAKES], "weekly": [Way.TAKES]})
    due.partners.prepare(item_of(due))
    freeze = Freeze(scope=Channel.PARTNERS, reason="演练", by="p-e", actor="p-e", since=due.now(), seq=1)
    due.table.put(put_freezes(Freezes().with_freeze(freeze), None))
    with pytest.raises(ChannelsFrozen):
        due.partners.deliver(item_of(due))
    assert [office.calls for office in due.offices.values()] == [0, 0]


def taken_back(due: DueToPartners) -> TakenBack:
    """The desk retracts, at the time at which the item was due."""
    return due.partners.retract(item_of(due), Retraction(at=RETRACTED_AT, reason="内容有误。"))


def test_a_retraction_goes_to_everybody_who_has_the_item_or_may_have_it() -> None:
    ways: dict[str, list[Way | int]] = {
        "daily": [Way.TAKES],
        "evening": [410],
        "weekly": [Way.SILENT, Way.SILENT, Way.TAKES],
    }
    due = DueToPartners(ways=ways)
    with pytest.raises(ChannelBusy):
        due.run()
    with pytest.raises(ChannelBusy):
        taken_back(due)
    retraction = taken_back(due)
    assert retraction.left == ()
    assert {name: told["outcome"] for name, told in retraction.receipt["outcomes"].items()} == {
        "daily": "sent",
        "weekly": "sent",
    }
    assert taken_back(due) == retraction, "again it ends the same"
    assert due.offices["daily"].events() == ["item.published", "item.retracted"]
    assert due.offices["weekly"].events() == ["item.published", "item.retracted"]
    assert due.offices["daily"].calls == 2, "said once"
    assert list(due.offices["daily"].taken.values())[1] == {
        "type": "item.retracted",
        "timestamp": to_text(RETRACTED_AT),
        "data": {"id": due.submission, "revision": 1, "reason": "内容有误。"},
    }
    assert due.partners.effect(item_of(due)) == {"partners": 1}


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_retraction_says_when_somebody_did_not_take_it(language: str) -> None:
    due = DueToPartners(ways={"daily": [Way.TAKES, 410]})
    due.run()
    assert taken_back(due).left == (COPIES,)
    assert messages.text(f"word.left.{COPIES}", language, {})


def test_a_retraction_that_a_partner_does_not_take_for_two_days_ends_and_says_so() -> None:
    due = DueToPartners(ways={"daily": [Way.TAKES, 503], "weekly": [Way.TAKES]})
    due.run()
    with pytest.raises(ChannelBusy):
        taken_back(due)
    due.passed += RETRACTION_PATIENCE
    ended = taken_back(due)
    assert ended.left == (COPIES,)
    assert {name: told["outcome"] for name, told in ended.receipt["outcomes"].items()} == {
        "daily": "unknown",
        "weekly": "sent",
    }


def test_what_is_taken_back_between_two_partners_goes_to_no_more_of_them() -> None:
    due = DueToPartners(ways={"daily": [Way.TAKES], "weekly": [Way.TAKES]})
    item = item_of(due)
    due.partners.prepare(item)

    def post(url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        answer = by_hand(due.offices)(url, body, headers)
        head = due.journal.head(due.submission)
        told = Draft(type="Retracted", cause=Cause(actor="p-director", correlation_id="c"))
        due.journal.commit(head, replace(head, state=State.RETRACTED), [told])
        return answer

    with pytest.raises(Stale):
        replace(due.partners, post=post).deliver(item)
    assert [office.calls for office in due.offices.values()] == [1, 0]
    taken_back(due)
    assert due.offices["daily"].events() == ["item.published", "item.retracted"]
    assert due.offices["weekly"].events() == ["item.retracted"], "a run that died may have told it"


def test_nothing_is_retracted_from_nobody() -> None:
    due = DueToPartners(ways={"daily": [410]})
    assert taken_back(due).receipt == {"outcomes": {}}, "not even begun"
    due.run()
    assert taken_back(due).receipt == {"outcomes": {}}
    assert due.offices["daily"].calls == 1


def test_what_a_partner_gets_is_the_approved_text_and_where_to_find_the_rest() -> None:
    due = DueToPartners()
    item = item_of(due)
    file = Attachment(id="a-1", name="图表.PDF", media_type=MediaType.PDF, size=7, sha256="0" * 64)
    told = told_of(replace(item, revision=replace(item.revision, attachments=(file,))), "https://site.test")
    form = item.revision.form
    page = f"https://site.test/{due.submission}/1"
    assert told["data"] == {
        "id": due.submission,
        "revision": 1,
        "title": form.title,
        "summary": form.summary,
        "body_html": told["data"]["body_html"],
        "body_markdown": form.body,
        "category": "notice",
        "language": "zh",
        "published_at": to_text(item.delivery.started_at),
        "url": f"{page}/index.html",
        "attachments": [
            {
                "name": "图表.PDF",
                "media_type": "application/pdf",
                "size": 7,
                "sha256": "0" * 64,
                "url": f"{page}/files/1.pdf",
            }
        ],
    }
    assert told["data"]["body_html"].startswith("<h2>时间</h2>")
    alone = replace(form, channels=(Channel.PARTNERS,))
    told = told_of(
        replace(item, revision=replace(item.revision, form=alone, attachments=(file,))), "https://s"
    )
    assert (told["data"]["url"], told["data"]["attachments"][0]["url"]) == (None, None)


def test_markup_that_could_do_harm_does_none_where_a_partner_shows_the_html() -> None:
    item = item_of(DueToPartners())
    for vector in VECTORS:
        form = replace(item.revision.form, body=vector)
        html = told_of(replace(item, revision=replace(item.revision, form=form)), "https://site.test")[
            "data"
        ]["body_html"]
        assert harm_in_body(read_page(f'<div class="body">{html}</div>')) == [], vector


def test_a_signature_is_that_of_the_published_standard() -> None:
    """The example that libraries of Standard Webhooks test themselves by."""
    keys = keys_of("daily", "weekly=x daily=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = b'{"test": 2432232314}'
    assert signatures(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", told) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_partner_that_changes_its_key_is_signed_to_with_both() -> None:
    office = PartnerOffice(key=b"n" * 32, now=DueToPartners().now)
    former = PartnerOffice(key=b"f" * 32, now=DueToPartners().now)
    keys = keys_of("daily", f"daily={office.secret},{former.secret}")
    assert keys == (office.key, former.key)
    assert [each[:3] for each in signatures(keys, "w", "1", b"{}").split(" ")] == ["v1,", "v1,"]


@pytest.mark.parametrize(
    "keys", ["", "weekly=whsec_eHh4", "daily", "daily=", "daily=whsec_eHh4", "daily=whsec_!!"]
)
def test_a_key_that_is_none_is_none(keys: str) -> None:
    assert keys_of("daily", keys) == ()


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_why_a_delivery_has_not_ended_well_is_told_in_words(language: str) -> None:
    for ending in Ending:
        assert messages.text(f"word.fault.{ending}", language, {})


def test_no_key_is_shown_with_the_channel() -> None:
    due = DueToPartners()
    assert due.offices["daily"].secret not in repr(due.partners)


def test_the_shipped_register_can_be_read() -> None:
    assert load_register(POLICIES / "partners.json").keys() <= {"never"}


A_PARTNER = {"id": "daily", "name": "江城日报", "url": "https://daily.example/hooks/imprimatur"}


def written(folder: Path, *partners: dict[str, Any], **more: object) -> Path:
    file = folder / "partners.json"
    file.write_bytes(canonical({"partners": list(partners), **more}))
    return file


def test_a_register_says_who_gets_what(tmp_path: Path) -> None:
    wants = {"languages": ["zh"], "categories": ["news"]}
    read = load_register(written(tmp_path, A_PARTNER, {**A_PARTNER, "id": "weekly", **wants}))
    assert read["daily"] == Partner(id="daily", name="江城日报", url=A_PARTNER["url"])
    assert read["weekly"].languages == {"zh"}
    assert read["weekly"].categories == {Category.NEWS}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "http://daily.example/hook"}, "/partners/0/url bad_address"),
        ({"url": "https://daily.example/hook?token=secret"}, "/partners/0/url bad_address"),
        ({"url": "https://user:secret@daily.example/hook"}, "/partners/0/url bad_address"),
        ({"url": "https://daily.example/hook#part"}, "/partners/0/url bad_address"),
        ({"id": "Daily!"}, "/partners/0/id bad_id"),
        ({"name": " "}, "/partners/0/name blank"),
        ({"languages": ["fr"]}, "/partners/0/languages/0 not_one_of"),
        ({"categories": []}, "/partners/0/categories too_few"),
        ({"key": "whsec_secret"}, "/partners/0/key unknown_field"),
    ],
)
def test_a_wrong_register_is_refused_and_no_secret_of_it_is_told(
    tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=r"partners\.json") as refused:
        load_register(written(tmp_path, {**A_PARTNER, **wrong}))
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_two_partners_of_the_same_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same id"):
        load_register(written(tmp_path, A_PARTNER, {**A_PARTNER, "name": "晚报"}))


def test_a_fifth_channel_is_one_file_and_one_line() -> None:
    """Beside them only its name is anywhere in the code, and its settings; all else about it is data."""
    code = POLICIES.parent / "chalicelib"
    known = {file.relative_to(code).as_posix(): file.read_text("utf-8") for file in code.rglob("*.py")}
    about = {name for name, text in known.items() if re.search(r"partners?\b", text, re.IGNORECASE)}
    assert about == {
        "publication/channels/partners.py",
        "bootstrap.py",
        "submission/model.py",
        "core/settings.py",
    }
    assert known["bootstrap.py"].count("Channel.PARTNERS") == 1
    assert known["submission/model.py"].lower().count("partners") == 2, 'PARTNERS = "partners"'


def test_an_item_goes_to_partners_beside_the_website_and_its_package_proves_what_they_got() -> None:
    """Clauses 2.5.2 and 3.5.2: through the whole desk, from the form to the archive."""
    with a_world() as world:
        office = PartnerOffice(key=b"k" * 32, now=world.now)
        channel = replace(
            cast("PartnersChannel", world.parts.adapters[Channel.PARTNERS]),
            register=lambda: {"daily": Partner(id="daily", name="江城日报", url="daily")},
            keys=f"daily={office.secret}",
            post=by_hand({"daily": office}),
        )
        world.parts.adapters = {**world.parts.adapters, Channel.PARTNERS: channel}
        submission = world.publish(channels=["website", "partners"], classification="public")
        assert world.state(submission) == "archived"
        (told,) = office.taken.values()
        assert told["data"]["id"] == submission
        (partners,) = (
            each for each in world.record(submission)["deliveries"] if each["channel"] == "partners"
        )
        assert partners["receipt"]["outcomes"]["daily"]["receipt"] == "copy-1"
        key = object_key(world.record(submission)["catalog_number"])
        raw = world.plain_s3.get_object(Bucket=world.parts.settings.archive_bucket, Key=key)["Body"].read()
        assert verify(raw).ok
        (sent,) = office.bodies
        assert sent in raw
        shown = Browser(world, LIAISON).get(f"/submissions/{submission}")
        assert "daily" in shown.html


def test_what_may_not_be_public_is_offered_to_no_partner() -> None:
    """Clause 5.3.1."""
    rules = ChannelRules.load(POLICIES / "channels.csv")
    assert [each for each in Classification if rules.allows(each, Channel.PARTNERS)] == [
        Classification.PUBLIC
    ]
