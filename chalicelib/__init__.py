"""Imprimatur: a department's publication request, reviewed, published, archived and provable."""
