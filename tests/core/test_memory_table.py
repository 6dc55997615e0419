"""The table in memory and DynamoDB's, side by side: whatever is done to both, both answer and hold the same."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition, IsType
from pynamodb.expressions.operand import Path, Value

from chalicelib.core.errors import Stale
from chalicelib.core.table import Check, Key, Put, Record, Table, Write
from infra.simulation.table import MemoryTable
from tests.world import OWN_ROLES, World, a_world


class Thing(Record):
    text = UnicodeAttribute(null=True)
    size = NumberAttribute(null=True)
    who = UnicodeSetAttribute(null=True)
    listing_key = UnicodeAttribute(null=True)
    listing_sort = UnicodeAttribute(null=True)
    in_flight = UnicodeAttribute(null=True)


NAMES = st.sampled_from(["A", "AB", "B", "字"])
TEXTS = st.sampled_from(["", "a", "ab", "b", "字", "𠮷"])
SIZES = st.sampled_from([-1, 0, 1, 2, 10])
MEMBERS = st.frozensets(st.sampled_from(["x", "y", "z"]), min_size=1)
PLAIN = st.one_of(
    st.sampled_from([Thing.pk.exists(), Thing.pk.does_not_exist(), Thing.text.exists()]),
    st.sampled_from([Thing.who.does_not_exist(), Thing.size.does_not_exist(), Thing.v == 1]),
    TEXTS.flatmap(
        lambda text: st.sampled_from(
            [Thing.text == text, Thing.text != text, Thing.text < text, Thing.text >= text]
        )
    ),
    SIZES.flatmap(
        lambda size: st.sampled_from(
            [Thing.size == size, Thing.size != size, Thing.size <= size, Thing.size > size]
        )
    ),
    st.lists(TEXTS, min_size=1, max_size=3).map(lambda texts: Thing.text.is_in(*texts)),
    st.tuples(SIZES, SIZES).map(lambda pair: Thing.size.between(*sorted(pair))),
    st.sampled_from([Thing.text.startswith("a"), Thing.text.contains("b"), Thing.who.contains("x")]),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda condition: ~condition),
    ),
    max_leaves=3,
)
Step = Callable[[Table, "Place"], Any]
"""Something done to a table; what it answers is to be the same."""


@dataclass(frozen=True)
class Place:
    """Where one example is at work, so that none sees another's items."""

    number: int

    def key(self, name: str) -> Key[Thing]:
        return Key(Thing, f"THING#{self.number}", name)

    def thing(self, name: str, attributes: dict[str, Any]) -> Thing:
        own = {
            key: f"{attributes[key]}-{self.number}"
            for key in ("listing_key", "in_flight")
            if attributes.get(key)
        }
        return Thing(pk=f"THING#{self.number}", sk=name, **attributes | own)


ATTRIBUTES = st.fixed_dictionaries(
    {
        "text": st.none() | TEXTS,
        "size": st.none() | SIZES,
        "who": st.none() | MEMBERS.map(set),
        "listing_key": st.sampled_from([None, "shelf"]),
        "listing_sort": st.sampled_from([None, "1", "2", "3"]),
        "in_flight": st.sampled_from([None, "shard"]),
    }
)


@st.composite
def puts(draw: st.DrawFn) -> Callable[[Place], Write]:
    name, attributes, condition = draw(NAMES), draw(ATTRIBUTES), draw(st.none() | CONDITIONS)
    return lambda place: Put(record=place.thing(name, attributes), condition=condition)


@st.composite
def checks(draw: st.DrawFn) -> Callable[[Place], Write]:
    name, condition = draw(NAMES), draw(CONDITIONS)
    return lambda place: Check(key=place.key(name), condition=condition)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind = draw(st.sampled_from(["put", "put", "transact", "transact", "add", "delete", "beside"]))
    name = draw(NAMES)
    if kind == "put":
        put = draw(puts())
        return lambda table, place: table.put(put(place))  # type: ignore[arg-type]  # a Put
    if kind == "beside":
        named = draw(st.lists(st.tuples(NAMES, ATTRIBUTES), max_size=3, unique_by=lambda each: each[0]))
        return lambda table, place: table.put_side_by_side(*(place.thing(*each) for each in named))
    if kind == "delete":
        return lambda table, place: table.delete(place.key(name))
    if kind == "add":
        number = draw(st.none() | st.tuples(st.just("size"), SIZES))
        member = draw(st.none() | st.tuples(st.just("who"), st.sampled_from(["x", "w"])))
        until = draw(st.none() | st.sampled_from([5, 6]))
        return lambda table, place: in_order(
            table.add_to(place.key(name), number=number, member=member, expires_at=until)
        )
    writes = draw(st.lists(puts() | checks(), max_size=3))
    receipt, text = draw(st.sampled_from(["R1", "R2"])), draw(st.sampled_from(["mine", "another's"]))
    return lambda table, place: table.transact(
        [write(place) for write in writes],
        receipt=Put(
            record=Thing(pk=place.key(receipt).pk, sk=receipt, text=text), condition=Thing.pk.does_not_exist()
        ),
    )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=OWN_ROLES) as world:
        yield world


NUMBERS = itertools.count()
MEMORY = MemoryTable()


def in_order(item: dict[str, Any]) -> dict[str, Any]:
    """A set has no order."""
    return {
        name: {"SS": sorted(value["SS"])} if "SS" in value else value for name, value in sorted(item.items())
    }


def answer(step: Step, table: Table, place: Place) -> Any:  # noqa: ANN401 — whatever it is
    try:
        return step(table, place)
    except Stale:
        return "stale"
    except ClientError:
        return "refused"


def held(table: Table, place: Place) -> list[Any]:
    """All that can be read of an example."""
    keys = [place.key(name) for name in ("A", "B", "nowhere")]
    found = table.batch(*keys)
    pages = [
        table.index_page("listing", ("listing_key", f"shelf-{place.number}"), ("listing_sort", "3"), limit=5),
        table.index_page("in_flight", ("in_flight", f"shard-{place.number}"), ("pk", None), limit=9),
    ]
    return [
        [in_order(item) for item in table.raw_partition(keys[0].pk)],
        [in_order(item) for item in table.raw_partition(keys[0].pk, "A", newest_first=True)],
        [thing.sk for thing in table.between(Thing, keys[0].pk, above="A", below="𠮷")],
        {key: in_order(item) for key, item in found._items.items()},
        *(sorted((in_order(row) for row in page), key=str) for page in pages),
    ]


MADE_UP = given(done=st.lists(steps(), min_size=1, max_size=10))
SEARCH = (Phase.explicit, Phase.generate, Phase.shrink)


@settings(max_examples=25, deadline=None, phases=SEARCH)
@MADE_UP
def test_whatever_is_done_both_tables_answer_and_hold_the_same(world: World, done: list[Step]) -> None:
    hold_side_by_side(world, done)


@pytest.mark.fuzz_full
@settings(max_examples=3000, deadline=None, phases=SEARCH)
@MADE_UP
def test_whatever_is_done_of_thousands_both_answer_and_hold_the_same(world: World, done: list[Step]) -> None:
    hold_side_by_side(world, done)


def hold_side_by_side(world: World, done: list[Step]) -> None:
    place = Place(next(NUMBERS))
    aws = world.parts.table
    for step in done:
        assert answer(step, MEMORY, place) == answer(step, aws, place)
    assert held(MEMORY, place) == held(aws, place)


def test_the_table_in_memory_has_all_that_the_table_does() -> None:
    """What it leaves to the base would ask for a client, which it has not."""
    methods = {name for name, value in vars(Table).items() if callable(value) and not name.startswith("_")}
    assert methods - vars(MemoryTable).keys() == {"get", "partition"}, "and these are made of the others"


def test_the_stream_tells_in_order_what_was_inserted_changed_and_removed_and_nothing_twice() -> None:
    table, place = MemoryTable(), Place(0)
    thing = place.thing(
        "A", dict.fromkeys(("text", "size", "who", "listing_key", "listing_sort", "in_flight"))
    )
    table.put(Put(record=thing))
    table.put(Put(record=thing))
    with pytest.raises(Stale):
        table.put(Put(record=thing, condition=Thing.pk.does_not_exist()))
    table.add_to(place.key("A"), number=("size", 1))
    table.delete(place.key("A"))
    first = table.read_stream()
    table.transact([], receipt=Put(record=thing))
    told = [*first, *table.read_stream(), *table.read_stream()]
    assert [record["eventName"] for record in told] == ["INSERT", "MODIFY", "REMOVE", "INSERT"]
    assert [record["dynamodb"].get("NewImage", {}).get("size") for record in told] == [
        None,
        {"N": "1"},
        None,
        None,
    ]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in told]
    assert numbers == sorted(set(numbers))


def test_what_was_read_can_be_changed_without_changing_the_table() -> None:
    table, place = MemoryTable(), Place(0)
    table.add_to(place.key("A"), member=("who", "x"))
    (item,) = table.raw_partition(place.key("A").pk)
    item["text"] = {"S": "mine"}
    answered = table.add_to(place.key("A"), member=("who", "y"))
    answered["who"]["SS"].append("z")
    thing = table.get(place.key("A"))
    assert thing is not None
    assert thing.text is None
    assert thing.who == {"x", "y"}


def test_a_condition_that_it_does_not_know_is_an_error_and_not_an_answer() -> None:
    unknown: Any = IsType
    put = Put(record=Place(0).thing("A", {}), condition=unknown(Path("text"), Value("S")))
    with pytest.raises(TypeError):
        MemoryTable().put(put)
