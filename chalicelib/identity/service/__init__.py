"""Signing in, knowing who calls, and proving a person."""

from chalicelib.identity.service.sign_in import RateLimits, Sessions, SignIn, sign_in_mail

__all__ = ["RateLimits", "Sessions", "SignIn", "sign_in_mail"]
