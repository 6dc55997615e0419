"""What goes wrong when packaging."""


class PackagingError(Exception):
    """There is no package, or none that would run; the message is what the tool said."""
