"""The append-only record of what happened, chained by hash."""
