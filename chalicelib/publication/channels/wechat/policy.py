"""What the platform's error codes mean for us, as data: the one place to change when the platform changes its mind."""

from collections.abc import Mapping
from enum import StrEnum


class Meaning(StrEnum):
    """What follows from an answer that says no."""

    RENEW = "renew"
    """The access token has had its day: ask for another, once."""
    BUSY = "busy"
    """Later it may."""
    ALREADY = "already"
    """It had happened before: that is success."""
    QUOTA = "quota"
    """Not before the quota begins anew, or a person has seen to it."""
    NOT_SET_UP = "not_set_up"
    """Never as the account or the desk is set up now: a person has to see to it."""
    CONTENT = "content"
    """The content is at fault: back to the editor."""


BUSY_SYSTEM = -1
"""Says nothing of what has become of a call: the only busy answer after which a publication may be under way."""
UNKNOWN_MEDIA = 40007

POLICY: Mapping[int, Meaning] = {
    **dict.fromkeys((40001, 40014, 42001), Meaning.RENEW),
    **dict.fromkeys((BUSY_SYSTEM, 45011, 53501, 45066), Meaning.BUSY),
    45065: Meaning.ALREADY,
    **dict.fromkeys((45009, 45028), Meaning.QUOTA),
    **dict.fromkeys((40164, 40125, 48001, 48004, 50002, 53500), Meaning.NOT_SET_UP),
    **dict.fromkeys(
        (
            40005,
            UNKNOWN_MEDIA,
            40009,
            *range(45002, 45006),
            45110,
            47001,
            *range(53402, 53407),
            *range(53503, 53506),
        ),
        Meaning.CONTENT,
    ),
}

REASONS: Mapping[int, str] = {
    45009: "wechat_quota",
    45028: "wechat_quota",
    40164: "wechat_allow_list",
    40125: "wechat_secret",
    48001: "wechat_not_allowed",
    48004: "wechat_not_allowed",
    50002: "wechat_not_allowed",
    53500: "wechat_not_allowed",
    40005: "wechat_picture",
    UNKNOWN_MEDIA: "wechat_media",
    40009: "wechat_picture",
    45002: "wechat_too_long",
    45003: "wechat_title",
    45004: "wechat_digest",
    45005: "wechat_address",
    45110: "wechat_author",
    47001: "wechat_format",
    **dict.fromkeys(range(53402, 53407), "wechat_picture"),
    **dict.fromkeys(range(53503, 53506), "wechat_check"),
}
"""The stable word for each no that a person gets to see."""
UNKNOWN_REASON = "wechat_error"
"""The word for a code that is not in the policy: a person looks, and nothing is tried again."""
