"""What an archive package is, how it is built, and how anybody checks it (clauses 3.5.2, 3.5.3)."""
