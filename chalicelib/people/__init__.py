"""Departments, persons and their duties."""
