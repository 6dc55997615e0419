"""Signing in with a browser, and what proves a person."""

from chalicelib.identity.pages.accounts import account_pages
from chalicelib.identity.pages.proofs import proof_pages
from chalicelib.identity.pages.sign_in import identity_pages

__all__ = ["account_pages", "identity_pages", "proof_pages"]
