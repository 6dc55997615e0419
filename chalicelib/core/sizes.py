"""Numbers of bytes in words."""


def bytes_in_words(size: int) -> str:
    """A number of bytes as people say it, such as `1.5 MB`; `upload.js` says it in the same way."""
    for unit, factor in (("MB", 1_000_000), ("KB", 1_000)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"
