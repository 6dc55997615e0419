"""The table: batched reads, conditional writes, and transactions whose lost answers are recognised.

What a table answers is proved of both: DynamoDB's, as moto has it, and the one in memory. So tests of the desk may take
either, and a simulation's year on the second is a year of the first.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.core.errors import Stale
from chalicelib.core.table import Check, Key, Put, Record, Table, Write
from infra.simulation.table import MOST_WRITES, MemoryTable
from tests.faults import CrashError, Fault, FaultyAws, Mode
from tests.world import World, a_world

AWS = FaultyAws()
MEMORY = MemoryTable()


class Note(Record):
    text = UnicodeAttribute()


class Other(Record):
    text = UnicodeAttribute()
    size = NumberAttribute()


class Listed(Record):
    text = UnicodeAttribute(null=True)
    listing_key = UnicodeAttribute(null=True)
    listing_sort = UnicodeAttribute(null=True)
    state = UnicodeAttribute(null=True)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


@pytest.fixture
def on_aws(world: World) -> Table:
    """DynamoDB's, whose calls are counted and can go wrong."""
    AWS.begin()
    return world.parts.table


@pytest.fixture(params=["dynamodb", "memory"])
def table(request: pytest.FixtureRequest, on_aws: Table) -> Table:
    return MEMORY if request.param == "memory" else on_aws


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


def test_items_of_different_kinds_come_in_one_call(on_aws: Table) -> None:
    on_aws.put(new("kind", "a note"))
    on_aws.put(Put(record=Other(pk="OTHER#kind", sk="OTHER", text="another", size=3)))
    AWS.begin()
    other = Key(Other, "OTHER#kind", "OTHER")
    found = on_aws.batch(key("kind"), other, key("nowhere"), key("kind"))
    assert len(AWS.calls) == 1
    note, size = found.get(key("kind")), found.get(other)
    assert note is not None
    assert note.text == "a note"
    assert size is not None
    assert size.size == 3
    assert found.get(key("nowhere")) is None


def test_more_items_than_a_call_may_ask_for_are_all_read(on_aws: Table) -> None:
    for number in range(105):
        on_aws.put(Put(record=a_note(f"many-{number}", str(number))))
    AWS.begin()
    found = on_aws.batch(*(key(f"many-{number}") for number in range(105)))
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


def test_what_dynamodb_left_unread_is_asked_for_again(on_aws: Table, world: World) -> None:
    for number in range(5):
        on_aws.put(Put(record=a_note(f"left-{number}", str(number))))
    stingy: Any = Stingy(world.plain_table._client())
    found = Table(client=lambda: stingy, name=on_aws.name).batch(*(key(f"left-{n}") for n in range(5)))
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


def test_a_transaction_that_the_network_sends_twice_succeeds(on_aws: Table) -> None:
    on_aws.transact([new("draft")], receipt=new("receipt-4"))
    (point,) = AWS.points()
    AWS.begin(Fault(point=point, mode=Mode.TWICE))
    on_aws.transact([new("sent twice")], receipt=new("receipt-5"))
    assert AWS.struck
    assert text_of(on_aws, "sent twice") == ""


def test_a_transaction_whose_answer_was_lost_has_taken_effect(on_aws: Table) -> None:
    on_aws.transact([new("answered")], receipt=new("receipt-6"))
    (point,) = AWS.points()
    AWS.begin(Fault(point=point, mode=Mode.AFTER))
    with pytest.raises(CrashError):
        on_aws.transact([new("unanswered")], receipt=new("receipt-7"))
    on_aws.transact([new("unanswered")], receipt=new("receipt-7"))
    assert text_of(on_aws, "unanswered") == ""


@pytest.mark.parametrize(
    "writes",
    [
        [new("big", "字" * 140_000)],
        [Put(record=Note(pk="", sk="NOTE", text=""))],
        [Put(record=Note(pk="P" * 2049, sk="NOTE", text=""))],
        [Put(record=Note(pk="PLACE", sk="字" * 342, text=""))],
        [Put(record=Listed(pk="PLACE", sk="LISTED", listing_key="", listing_sort="1"))],
    ],
    ids=["too large", "no key", "long key", "long sort key", "no index key"],
)
def test_what_dynamodb_takes_in_no_item_is_refused_and_not_called_stale(
    table: Table, writes: list[Put]
) -> None:
    for write in writes:
        with pytest.raises(ClientError):
            table.put(write)
    with pytest.raises(ClientError):
        table.transact([new("beside it"), *writes], receipt=new("receipt-8"))
    assert text_of(table, "beside it") is None


@pytest.mark.parametrize(
    "writes",
    [
        [new("one"), new("other"), Check(key=key("one"), condition=Note.pk.does_not_exist())],
        [new(f"one of {number}") for number in range(MOST_WRITES)],
    ],
    ids=["one item twice", "too many"],
)
def test_what_dynamodb_takes_in_no_transaction_is_refused_whole(table: Table, writes: list[Write]) -> None:
    with pytest.raises(ClientError):
        table.transact(writes, receipt=new("receipt-9"))
    assert text_of(table, "one") is None
    assert text_of(table, "one of 0") is None


def test_a_transaction_of_as_many_writes_as_there_may_be_takes_effect(table: Table) -> None:
    table.transact([new(f"of many {number}") for number in range(MOST_WRITES - 1)], receipt=new("receipt-10"))
    assert text_of(table, "of many 98") == ""


def listed(table: Table, below: str | None = None, limit: int = 10) -> list[dict[str, Any]]:
    return table.index_page("listing", ("listing_key", "SHELF"), ("listing_sort", below), limit=limit)


def test_an_index_holds_what_has_both_its_keys_newest_first_and_shows_what_it_projects(table: Table) -> None:
    for number in (2, 10, 1):
        record = Listed(
            pk=f"SHELF#{number}", sk="LISTED", listing_key="SHELF", listing_sort=f"{number:04d}", state="new"
        )
        table.put(Put(record=record))
    table.put(
        Put(record=Listed(pk="SHELF#3", sk="LISTED", listing_key="SHELF", text="no place in the order"))
    )
    assert [row["pk"]["S"] for row in listed(table)] == ["SHELF#10", "SHELF#2", "SHELF#1"]
    assert [row["pk"]["S"] for row in listed(table, below="0010", limit=1)] == ["SHELF#2"]
    for span, limit, found in (
        (("0001", "0002"), 5, ["SHELF#1", "SHELF#2"]),
        (("0002", "9"), 5, ["SHELF#2", "SHELF#10"]),
        (("0000", "9"), 1, ["SHELF#1"]),
        (("0003", "0009"), 5, []),
    ):
        rows = table.index_range("listing", ("listing_key", "SHELF"), "listing_sort", span, limit=limit)
        assert [row["pk"]["S"] for row in rows] == found, "lowest first, both ends included"
    assert listed(table, below="0002") == [
        {
            "pk": {"S": "SHELF#1"},
            "sk": {"S": "LISTED"},
            "listing_key": {"S": "SHELF"},
            "listing_sort": {"S": "0001"},
            "state": {"S": "new"},
        }
    ]
    table.put(Put(record=Listed(pk="SHELF#10", sk="LISTED", listing_key="SHELF", listing_sort="0000")))
    table.put(Put(record=Listed(pk="SHELF#2", sk="LISTED")))
    table.delete(Key(Listed, "SHELF#3", "LISTED"))
    assert [row["pk"]["S"] for row in listed(table)] == ["SHELF#1", "SHELF#10"]


def test_what_lies_between_two_keys_is_read_from_the_top_without_either(table: Table) -> None:
    for number in (1, 5, 2, 3):
        table.put(Put(record=Note(pk="BETWEEN", sk=f"A#{number}", text=str(number))))
    for size in (None, 1):
        notes = table.between(Note, "BETWEEN", above="A#1", below="A#5", page_size=size)
        assert [note.text for note in notes] == ["3", "2"]
    assert list(table.between(Note, "BETWEEN", above="A#3", below="A#3")) == []


def test_between_keys_in_the_wrong_order_nothing_is_read() -> None:
    """As DynamoDB has it; moto answers with nothing."""
    with pytest.raises(ClientError):
        list(MEMORY.between(Note, "BETWEEN", above="A#5", below="A#1"))


def test_what_is_put_side_by_side_is_there_whatever_was(table: Table) -> None:
    table.put(new("beside 3", "before"))
    table.put_side_by_side(*(a_note(f"beside {number}", "now") for number in range(27)))
    assert [text_of(table, f"beside {number}") for number in range(28)] == ["now"] * 27 + [None]
    with pytest.raises(ClientError):
        table.put_side_by_side(a_note("beside twice"), a_note("beside twice"))
    assert text_of(table, "beside twice") is None
    table.put_side_by_side()


def test_a_scan_finds_every_partition_that_begins_so(table: Table) -> None:
    for name in ("a", "b"):
        table.put(Put(record=Note(pk=f"SCANNED#{name}", sk="NOTE", text=name)))
    assert sorted(note.text for note in table.scan(Note, "SCANNED#")) == ["a", "b"]


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
