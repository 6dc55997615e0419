"""A cloud per test, with the tiny app in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.cloud import Cloud
from tests.local.tiny import Seen, tiny_app, tiny_files


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def cloud(seen: Seen, tmp_path: Path) -> Iterator[Cloud]:
    """Without state machines; waits are a thousand times shorter."""
    with Cloud(app=tiny_app(seen), files=tiny_files(tmp_path), wait_scale=1000) as cloud:
        yield cloud
