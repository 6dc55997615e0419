"""The three reviews: stages, tasks, opinions, deadlines."""
