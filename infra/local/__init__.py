"""The whole cloud in one process, for a laptop and for tests. Nothing here is deployed."""
