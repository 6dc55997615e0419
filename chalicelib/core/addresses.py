"""What an e-mail address may be. A module of its own, for jobs that must not load the schemas' validator."""

import re

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}", re.ASCII | re.IGNORECASE)


def is_email(text: str) -> bool:
    """An ASCII mailbox without quotes, in a domain of two labels or more (RFC 5321, 4.1.2 and 4.5.3)."""
    return _EMAIL.fullmatch(text) is not None
