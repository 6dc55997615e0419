"""Who deploys holds a lock: others are told, and neither a crash nor a lost answer keeps it for ever."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from infra.deployment.clients import Caller
from infra.deployment.depot import Depot
from infra.deployment.errors import DeploymentError
from infra.deployment.lock import Lock
from tests.infra.formations import a_client

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass
class Desk:
    """A depot, and the time by everybody's clock."""

    depot: Depot
    time: datetime = NOON

    def lock(self, by: str) -> Lock:
        return Lock(self.depot, by, lambda: self.time)

    def is_free(self) -> bool:
        try:
            with self.lock("somebody").held():
                return True
        except DeploymentError:
            return False


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "deployer")
    with mock_aws():
        s3 = a_client("s3", "us-east-1")
        s3.create_bucket(Bucket="depot")
        caller = Caller(account="123456789012", arn="arn:aws:iam::123456789012:user/ops")
        yield Desk(Depot(s3=s3, bucket="depot", caller=caller, region="us-east-1"))


def test_whoever_comes_second_is_told_who_is_at_it_since_when_and_until_when(desk: Desk) -> None:
    with desk.lock("ada").held():
        desk.time += timedelta(minutes=5)
        with pytest.raises(DeploymentError) as refused, desk.lock("grace").held():
            pass
    told = str(refused.value)
    assert "ada has been changing this environment since 2030-01-01T12:00:00+00:00" in told
    assert "its lock ends by itself at 2030-01-01T12:15:00+00:00" in told


def test_lock_is_given_back_at_the_end_even_of_what_was_interrupted(desk: Desk) -> None:
    with suppress(KeyboardInterrupt), desk.lock("ada").held():
        raise KeyboardInterrupt
    assert desk.is_free()


def test_lock_of_a_crash_ends_by_itself(desk: Desk) -> None:
    desk.lock("ada").take()
    desk.time += timedelta(minutes=14)
    assert not desk.is_free()
    desk.time += timedelta(minutes=1)
    assert desk.is_free()


def test_lock_that_is_kept_does_not_end(desk: Desk) -> None:
    with desk.lock("ada").held() as lock:
        for _ in range(4):
            desk.time += timedelta(minutes=10)
            lock.keep()
            assert not desk.is_free()


def test_lock_that_has_ended_and_that_nobody_took_can_be_kept(desk: Desk) -> None:
    with desk.lock("ada").held() as lock:
        desk.time += timedelta(hours=1)
        lock.keep()
        assert not desk.is_free()


def test_whoever_has_lost_it_is_told_and_does_not_take_it_from_the_other(desk: Desk) -> None:
    with desk.lock("ada").held() as lock:
        desk.time += timedelta(hours=1)
        desk.lock("grace").take()
        with pytest.raises(DeploymentError, match="meanwhile grace has been changing"):
            lock.keep()
    assert not desk.is_free()


def test_only_one_of_two_who_see_it_free_takes_it(desk: Desk) -> None:
    class Late:
        """S3, at which somebody else is quicker between the look and the write."""

        def put_object(self, **asked: Any) -> Any:  # noqa: ANN401 — S3's own
            desk.lock("grace").take()
            return desk.depot.s3.put_object(**asked)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the client has
            return getattr(desk.depot.s3, name)

    late: Any = Late()
    lock = Lock(replace(desk.depot, s3=late), "ada", lambda: desk.time)
    with pytest.raises(DeploymentError, match="in the same moment"), lock.held():
        pass


def test_write_whose_answer_was_lost_counts(desk: Desk) -> None:
    class Repeating:
        """S3, asked twice by a client that has not heard its first answer."""

        def put_object(self, **asked: Any) -> Any:  # noqa: ANN401 — S3's own
            desk.depot.s3.put_object(**asked)
            return desk.depot.s3.put_object(**asked)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the client has
            return getattr(desk.depot.s3, name)

    repeating: Any = Repeating()
    with Lock(replace(desk.depot, s3=repeating), "ada", lambda: desk.time).held() as lock:
        desk.time += timedelta(minutes=10)
        lock.keep()
        assert not desk.is_free()
    assert desk.is_free()
