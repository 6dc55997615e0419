"""A terminal whose person has typed everything beforehand."""

from io import StringIO

from infra.deployment.terminal import Terminal


def a_terminal(*lines: str, assume_yes: bool = False) -> Terminal:
    """One at which these lines are typed, and nothing more."""
    return Terminal(
        assume_yes=assume_yes, read=StringIO("".join(f"{line}\n" for line in lines)), write=StringIO()
    )


def said(terminal: Terminal) -> str:
    """Everything that was said there."""
    assert isinstance(terminal.write, StringIO)
    return terminal.write.getvalue()
