"""Telling people at once what has happened to what is theirs (clause 3.2.3)."""
