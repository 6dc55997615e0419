"""What the environment says."""

from dataclasses import fields
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.core.settings import Settings, from_environment

REQUIRED = (
    *("TABLE_NAME", "SITE_BUCKET", "ARCHIVE_BUCKET", "SIGN_IN_QUEUE_URL", "REVIEW_MACHINE_ARN"),
    *("PUBLICATION_MACHINE_ARN", "BASE_URL", "PUBLIC_SITE_URL", "MAIL_FROM", "QUEUE_URL_PREFIX"),
    *("UPLOADS_BUCKET", "UPLOADS_QUEUE_URL", "INTERNAL_SITE_URL"),
    *("NOTICES_QUEUE_URL", "MAIL_CONFIGURATION_SET", "SIGNING_KEY", "SITE_KEY", "RENDERER_FUNCTION"),
)
ENVIRONMENT = {name: name.lower() for name in REQUIRED}


def test_settings_are_the_variables_of_their_names() -> None:
    settings = from_environment({**ENVIRONMENT, "WAIT_SCALE": "20", "UNRELATED": "x"})
    assert all(getattr(settings, name.lower()) == name.lower() for name in REQUIRED)
    assert settings.scale == 20
    assert {field.name.upper() for field in fields(Settings)} >= set(REQUIRED)


def test_what_is_not_said_has_its_value() -> None:
    settings = from_environment(ENVIRONMENT)
    assert settings.scale == 1
    assert settings.max_lateness == timedelta(days=2)
    assert settings.center_zone == ZoneInfo("Asia/Shanghai")


def test_the_mail_servers_password_is_shown_nowhere() -> None:
    settings = from_environment({**ENVIRONMENT, "SMTP_PASSWORD": "hunter2"})
    assert settings.smtp_password == "hunter2"
    assert "hunter2" not in repr(settings)


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(KeyError) as missing:
        from_environment(dict.fromkeys(REQUIRED[2:], ""))
    assert "TABLE_NAME, SITE_BUCKET" in str(missing.value)


@pytest.mark.parametrize(("said", "scale"), [("0.01", 1), ("-3", 1), ("1000", 1000), ("2.5", 2.5)])
def test_waits_are_never_longer_than_in_production(said: str, scale: float) -> None:
    assert from_environment({**ENVIRONMENT, "WAIT_SCALE": said}).scale == scale


def test_nobody_stands_behind_an_edge_unless_it_is_said_in_one_word() -> None:
    assert from_environment(ENVIRONMENT).is_behind_edge is False
    assert from_environment({**ENVIRONMENT, "BEHIND_EDGE": "yes"}).is_behind_edge is True
    with pytest.raises(ValueError, match="BEHIND_EDGE"):
        _ = from_environment({**ENVIRONMENT, "BEHIND_EDGE": "true"}).is_behind_edge
