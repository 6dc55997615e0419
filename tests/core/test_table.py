"""The table: batched reads, conditional writes, and transactions whose lost answers are recognised."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.core.errors import Stale
from chalicelib.core.table import Check, Key, Put, Record, Table
from tests.faults import CrashError, Fault, FaultyAws, Mode
from tests.world import World, a_world

AWS = FaultyAws()


class Note(Record):
    text = UnicodeAttribute()


class Other(Record):
    text = UnicodeAttribute()
    size = NumberAttribute()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


@pytest.fixture
def table(world: World) -> Table:
    AWS.begin()
    return world.parts.table


def key(name: str) -> Key[Note]:
    return Key(Note, f"NOTE#{name}", "NOTE")


def a_note(name: str, text: str = "") -> Note:
    return Note(pk=f"NOTE#{name}", sk="NOTE", text=text)


def text_of(table: Table, name: str) -> str | None:
    found = table.get(key(name))
    return None if found is None else found.text


def new(name: str, text: str = "") -> Put:
    return Put(record=a_note(name, text), condition=Note.pk.does_not_exist())


def test_an_item_is_read_as_it_was_written(table: Table) -> None:
    table.put(new("first", "𠮷 \u0000"))
    assert text_of(table, "first") == "𠮷 \u0000"
    assert text_of(table, "nowhere") is None


def test_items_of_different_kinds_come_in_one_call(table: Table) -> None:
    table.put(new("kind", "a note"))
    table.put(Put(record=Other(pk="OTHER#kind", sk="OTHER", text="another", size=3)))
    AWS.begin()
    other = Key(Other, "OTHER#kind", "OTHER")
    found = table.batch(key("kind"), other, key("nowhere"), key("kind"))
    assert len(AWS.calls) == 1
    note, size = found.get(key("kind")), found.get(other)
    assert note is not None
    assert note.text == "a note"
    assert size is not None
    assert size.size == 3
    assert found.get(key("nowhere")) is None


def test_more_items_than_a_call_may_ask_for_are_all_read(table: Table) -> None:
    for number in range(105):
        table.put(Put(record=a_note(f"many-{number}", str(number))))
    AWS.begin()
    found = table.batch(*(key(f"many-{number}") for number in range(105)))
    assert len(AWS.calls) == 2
    texts = [note.text for note in (found.get(key(f"many-{number}")) for number in range(105)) if note]
    assert texts == [str(number) for number in range(105)]


class Stingy:
    """A client that reads at most two items per call, as DynamoDB may when it is busy."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 — boto3's own
        self._client = client

    def batch_get_item(self, RequestItems: dict[str, dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 — AWS's name
        ((name, wanted),) = RequestItems.items()
        keys = wanted["Keys"]
        answer = self._client.batch_get_item(RequestItems={name: {**wanted, "Keys": keys[:2]}})
        return {**answer, "UnprocessedKeys": {name: {"Keys": keys[2:]}} if keys[2:] else {}}


def test_what_dynamodb_left_unread_is_asked_for_again(table: Table, world: World) -> None:
    for number in range(5):
        table.put(Put(record=a_note(f"left-{number}", str(number))))
    stingy: Any = Stingy(world.plain_table._client())
    found = Table(client=lambda: stingy, name=table.name).batch(*(key(f"left-{n}") for n in range(5)))
    assert all(found.get(key(f"left-{number}")) is not None for number in range(5))


def test_a_write_whose_condition_does_not_hold_is_stale(table: Table) -> None:
    table.put(new("once", "first"))
    with pytest.raises(Stale):
        table.put(new("once", "second"))
    assert text_of(table, "once") == "first"


def test_a_transaction_writes_all_or_nothing(table: Table) -> None:
    table.put(new("taken"))
    with pytest.raises(Stale):
        table.transact([new("taken"), new("beside")], receipt=new("receipt-1"))
    assert text_of(table, "beside") is None
    assert text_of(table, "receipt-1") is None
    table.transact([new("beside")], receipt=new("receipt-1"))
    assert text_of(table, "beside") == text_of(table, "receipt-1") == ""


def test_a_check_stops_a_transaction_and_writes_nothing(table: Table) -> None:
    table.put(new("checked", "now"))
    with pytest.raises(Stale):
        table.transact([Check(key=key("checked"), condition=Note.text == "before")], receipt=new("receipt-2"))
    table.transact([Check(key=key("checked"), condition=Note.text == "now")], receipt=new("receipt-2"))
    assert text_of(table, "checked") == "now"


def test_a_repeat_of_a_transaction_that_took_effect_is_a_success(table: Table) -> None:
    writes = [new("mine", "text")]
    table.transact(writes, receipt=new("receipt-3", "only mine"))
    table.transact(writes, receipt=new("receipt-3", "only mine"))
    with pytest.raises(Stale):
        table.transact(writes, receipt=new("receipt-3", "another's"))


def test_a_transaction_that_the_network_sends_twice_succeeds(table: Table) -> None:
    table.transact([new("draft")], receipt=new("receipt-4"))
    (point,) = AWS.points()
    AWS.begin(Fault(point=point, mode=Mode.TWICE))
    table.transact([new("sent twice")], receipt=new("receipt-5"))
    assert AWS.struck
    assert text_of(table, "sent twice") == ""


def test_a_transaction_whose_answer_was_lost_has_taken_effect(table: Table) -> None:
    table.transact([new("answered")], receipt=new("receipt-6"))
    (point,) = AWS.points()
    AWS.begin(Fault(point=point, mode=Mode.AFTER))
    with pytest.raises(CrashError):
        table.transact([new("unanswered")], receipt=new("receipt-7"))
    table.transact([new("unanswered")], receipt=new("receipt-7"))
    assert text_of(table, "unanswered") == ""


def test_a_transaction_that_dynamodb_finds_malformed_is_not_called_stale(table: Table) -> None:
    with pytest.raises(ClientError):
        table.transact([Put(record=a_note("", "x" * 500_000))], receipt=new("receipt-8"))


def test_a_partition_is_read_in_order_from_either_end(table: Table) -> None:
    for number in (2, 10, 1):
        table.put(Put(record=Note(pk="ORDER", sk=f"A#{number:04d}", text=str(number))))
    table.put(Put(record=Note(pk="ORDER", sk="B#0001", text="b")))
    assert [note.text for note in table.partition(Note, "ORDER", "A#")] == ["1", "2", "10"]
    assert [note.text for note in table.partition(Note, "ORDER", newest_first=True)] == ["b", "10", "2", "1"]
    assert list(table.partition(Note, "NOBODY")) == []


def test_adding_makes_the_item_and_keeps_its_first_end(table: Table) -> None:
    where = key("counter")
    table.add_to(where, number=("tries", 2), expires_at=100)
    item = table.add_to(where, number=("tries", 3), member=("who", "a"), expires_at=200)
    assert item["tries"] == {"N": "5"}
    assert item["who"] == {"SS": ["a"]}
    assert item["expires_at"] == {"N": "100"}
    assert table.add_to(where, member=("who", "a"))["who"] == {"SS": ["a"]}


def test_deleting_what_is_not_there_is_no_error(table: Table) -> None:
    table.put(new("gone"))
    table.delete(key("gone"))
    table.delete(key("gone"))
    assert text_of(table, "gone") is None
