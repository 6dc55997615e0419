"""The desk without AWS: a table in memory, and a year of requests on it (`make simulate`)."""
