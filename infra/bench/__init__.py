"""`make bench`: what the product costs in CPU, as multiples of things that cost the same wherever it is measured.

One run records a life of a submission (`life`) against the laptop's cloud (`recording`), serves AWS's answers of that
life from a process of its own (`canned`), lives it again and again in another (`replay`), starts fresh interpreters
(`starts`), and says what came of it beside the goals (`report`).
"""
