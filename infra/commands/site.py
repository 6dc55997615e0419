"""`imprimatur site rebuild`: every page of the website again, from the records."""

from chalicelib import bootstrap


def rebuild() -> int:
    """Render everything and print how many items there are."""
    parts = bootstrap.parts()
    count = parts.website.rebuild(
        lambda entry: parts.journal.revision(entry.submission, entry.revision).form.body
    )
    print(f"{count} items rendered")
    return 0
