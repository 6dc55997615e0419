"""What moto gets dangerously wrong for concurrency tests, put right once per process.

Measured: a transaction copies the whole table and puts the copy back when it fails, so that with threads
acknowledged writes are lost and cost grows with the table; conditional S3 writes and execution names are
checked and used in two steps. On AWS each of these is atomic, so here they take turns.

Some more only save time: with them a test's whole life costs half, and a query of a full table far less.

Each mend wraps the original, which still decides what is valid and what the answer looks like.
"""

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from string import ascii_letters, digits
from typing import Any, cast

from botocore.client import BaseClient
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core import responses
from moto.core.base_backend import BaseBackend
from moto.core.serialize import AttributePickerContext, BaseJSONSerializer, ResponseSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler
from moto.dynamodbstreams.models import DynamoDBStreamsBackend
from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
from moto.kms import models as kms_models
from moto.kms.utils import ECDSAPrivateKey
from moto.moto_api._internal.moto_random import MotoRandom
from moto.s3.responses import S3Response
from moto.sqs.models import Message, SQSBackend
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from infra.local import forms, shortcut

Method = Callable[..., Any]

_DYNAMODB = threading.RLock()
_ASKED_FOR = "_asked_for"
"""Where a table keeps what the present query asks for."""
_PLAIN = frozenset({"S", "N", "BOOL", "NULL", "SS", "NS"})
"""Types of attributes that JSON holds as they are."""


def replace(owner: object, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of something in a class or module."""
    setattr(owner, name, make(getattr(owner, name)))


@functools.cache
def apply() -> None:
    """Mend moto in this process; a second call does nothing."""
    replace(DynamoHandler, "_dispatch", in_turn(_DYNAMODB))
    replace(DynamoDBStreamsHandler, "_dispatch", in_turn(_DYNAMODB))
    replace(DynamoDBBackend, "transact_write_items", _atomic)
    replace(DynamoDBBackend, "update_item", _one_record_per_update)
    replace(Table, "query", _asking_for_a_partition)
    replace(Table, "all_items", _of_the_partition)
    replace(DynamoDBStreamsBackend, "get_records", _each_iterator_once)
    replace(BaseJSONSerializer, "_serialize_type_structure", _attribute_values_as_they_are)
    replace(ECDSAPrivateKey, "sign", _over_a_digest)
    replace(BaseClient, "_make_request", shortcut.without_http)
    replace(responses.BaseResponse, "setup_class", shortcut.set_up)
    replace(ResponseSerializer, "get_value", _by_known_names)
    # It looks through a class's methods at every call, spells names, and puts a service's addresses together.
    replace(responses, "method_names_from_class", functools.cache)
    replace(responses, "camelcase_to_underscores", functools.cache)
    replace(BaseBackend, "urls", _once_for_each_class)
    # It counts all messages of a queue for each that it hands out.
    replace(SQSBackend, "is_message_valid_based_on_retention_period", _by_its_own_age)
    # Its request ids are made letter by letter.
    replace(MotoRandom, "get_random_string", _all_letters_at_once)
    # It makes an RSA key for every key that has no use for one, and for every table.
    replace(kms_models, "generate_private_key", _none_for_symmetric_keys)
    replace(Table, "_get_default_encryption_key", lambda _original: lambda *_: "alias/aws/dynamodb")
    s3_writes = in_turn(threading.RLock())
    replace(S3Response, "_key_response", s3_writes)
    replace(S3Response, "_bucket_response", s3_writes)
    replace(S3Response, "_bucket_response_post", forms.policed)
    replace(StepFunctionsParserBackend, "start_execution", in_turn(threading.RLock()))


def _by_known_names(original: Method) -> Method:
    """By which names a member of an answer may be found depends on the model; moto works it out for every answer."""
    known: dict[tuple[str, str, str], tuple[str, ...]] = {}

    def get_value(serializer: Any, value: Any, key: str, shape: Any) -> Any:  # noqa: ANN401 — moto's own
        parent = getattr(shape, "parent", None)
        picker = serializer._value_picker  # noqa: SLF001 — moto's own
        if type(value) is not dict or parent is None or picker.response_transformers:
            return original(serializer, value, key, shape)
        model = serializer.operation_model
        place = (model.service_model.service_name, parent.name, key)
        if place not in known:
            context = AttributePickerContext(value, key, shape, model, model.service_model, "")
            known[place] = tuple(picker.get_possible_keys(context))
        return next((value[name] for name in known[place] if name in value), None)

    return get_value


def _once_for_each_class(original: property) -> property:
    of_class: dict[type, Any] = {}

    def urls(backend: BaseBackend) -> Any:  # noqa: ANN401 — moto's own
        kind = type(backend)
        if kind not in of_class:
            of_class[kind] = cast("Method", original.fget)(backend)
        return of_class[kind]

    return property(urls)


def _by_its_own_age(_original: Method) -> Method:
    def is_valid(backend: SQSBackend, queue: str, message: Message) -> bool:
        sent = cast("float", message.sent_timestamp) / 1000
        return bool(backend.get_queue(queue).message_retention_period + sent > time.time())  # type: ignore[attr-defined]

    return is_valid


def _all_letters_at_once(original: Method) -> Method:
    def string(chosen: MotoRandom, length: int = 20, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 — passes on
        if args or kwargs:
            return str(original(chosen, length, *args, **kwargs))
        return "".join(chosen.choices(ascii_letters + digits, k=length))

    return string


def _none_for_symmetric_keys(original: Method) -> Method:
    def private_key(spec: str) -> Any:  # noqa: ANN401 — moto's own
        return None if spec == "SYMMETRIC_DEFAULT" else original(spec)

    return private_key


def in_turn(lock: AbstractContextManager[Any]) -> Callable[[Method], Method]:
    """Calls of the method, from whatever thread, one after the other."""

    def make(original: Method) -> Method:
        def one_at_a_time(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passes on whatever it gets
            with lock:
                return original(*args, **kwargs)

        return one_at_a_time

    return make


def _atomic(original: Method) -> Method:
    """All or nothing, remembering only the touched items instead of the whole table."""

    def transact(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        with _DYNAMODB, _untouched_on_failure(backend, transact_items), _tables_copied_as_themselves():
            original(backend, transact_items)

    return transact


@contextmanager
def _tables_copied_as_themselves() -> Iterator[None]:
    """Under the lock only: moto's copy of a whole table is that table, and putting it back does nothing."""
    attribute = "__deepcopy__"
    setattr(Table, attribute, lambda table, _memo: table)
    try:
        yield
    finally:
        delattr(Table, attribute)


@contextmanager
def _untouched_on_failure(backend: DynamoDBBackend, operations: list[dict[str, Any]]) -> Iterator[None]:
    touched: list[Any] = [
        (table, *backend.get_keys_value(table, operation.get("Key") or operation["Item"]))
        for one in operations
        for operation in one.values()
        if (table := backend.tables.get(operation["TableName"])) is not None
    ]
    before = [(table, *key, copy.deepcopy(table.get_item(*key))) for table, *key in touched]
    streams: dict[int, Any] = {
        id(shard): (shard, len(shard.items))
        for table, *_ in touched
        if (shard := table.stream_shard) is not None
    }
    try:
        yield
    except Exception:
        for table, hash_key, range_key, item in before:
            _put_back(table, hash_key, range_key, item)
        for shard, length in streams.values():
            del shard.items[length:]
        raise


def _put_back(table: Table, hash_key: DynamoType, range_key: DynamoType | None, item: Item | None) -> None:
    shelf: Any
    shelf, place = (table.items, hash_key) if range_key is None else (table.items[hash_key], range_key)
    if item is None:
        shelf.pop(place, None)
    else:
        shelf[place] = item


def _one_record_per_update(original: Method) -> Method:
    """An update that creates its item puts one INSERT on the stream, not a bare INSERT and a MODIFY."""

    def update(backend: DynamoDBBackend, table_name: str, *args: Any, **kwargs: Any) -> Item:  # noqa: ANN401
        shard = backend.get_table(table_name).stream_shard
        before = len(shard.items) if shard else 0
        item: Item = original(backend, table_name, *args, **kwargs)
        if shard and len(shard.items) > before + 1:
            del shard.items[before:]
            shard.add(None, item)
        return item

    return update


def _asking_for_a_partition(original: Method) -> Method:
    """A query notes what its items have in common: moto would look through the whole table, sorted."""

    def query(table: Table, hash_key: DynamoType, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 — passes on
        conditions = kwargs.get("hash_key_conditions") or [(table.hash_key_attr, hash_key)]
        setattr(table, _ASKED_FOR, conditions)  # under the lock only
        try:
            return original(table, hash_key, *args, **kwargs)
        finally:
            delattr(table, _ASKED_FOR)

    return query


def _of_the_partition(original: Method) -> Method:
    """All items that a query can find, in their order, as texts compare; moto casts every key for every comparison."""

    def all_items(table: Table) -> list[Item]:
        if table.range_key_attr is None or table.hash_key_type != "S" or table.range_key_type != "S":
            items: list[Item] = original(table)
            return items
        asked_for = dict(getattr(table, _ASKED_FOR, ()))
        key = asked_for.pop(table.hash_key_attr, None)
        partitions = table.items.values() if key is None else [table.items.get(key, {})]
        shelf: list[Any] = [
            item
            for partition in partitions
            for item in cast("dict[DynamoType, Item]", partition).values()
            if all(name in item.attrs and item.attrs[name] == value for name, value in asked_for.items())
        ]
        return sorted(shelf, key=lambda item: (item.hash_key.value, item.range_key.value))

    return all_items


def _over_a_digest(original: Method) -> Method:
    """KMS signs the digest that it is given; moto makes a digest of it once more."""

    def sign(key: ECDSAPrivateKey, message: bytes, signing_algorithm: str) -> bytes:
        if signing_algorithm != "ECDSA_SHA_256" or len(message) != hashes.SHA256.digest_size:
            return bytes(original(key, message, signing_algorithm))
        return bytes(key.private_key.sign(message, ECDSA(Prehashed(hashes.SHA256()))))

    return sign


def _attribute_values_as_they_are(original: Method) -> Method:
    """A plain value is already what goes over the wire; moto asks each for ten types by up to eight names."""

    def structure(serializer: object, serialized: Any, value: Any, shape: Any, key: str) -> None:  # noqa: ANN401
        if shape.name == "AttributeValue" and _PLAIN.issuperset(value):
            serialized[key] = value
        else:
            original(serializer, serialized, value, shape, key)

    return structure


def _each_iterator_once(original: Method) -> Method:
    """A shard iterator that was used is forgotten: moto keeps each for ever, and the pump asks all day."""

    def get_records(backend: DynamoDBStreamsBackend, iterator_arn: str, limit: int) -> Any:  # noqa: ANN401
        records = original(backend, iterator_arn, limit)
        del backend.shard_iterators[iterator_arn]
        return records

    return get_records
