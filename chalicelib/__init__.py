"""Imprimatur: a department's publication request, reviewed, published, archived and provable."""

import gc

gc.set_threshold(
    200_000, 50, 100
)  # a start makes objects that stay: looking through them again and again costs a tenth
