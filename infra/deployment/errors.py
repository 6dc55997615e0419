"""What stops a deployment. Every message says what has happened and what to do next."""

from collections.abc import Iterable


class DeploymentError(Exception):
    """It cannot go on, or must not; the message is for the person who asked for it."""


class WrongParametersError(DeploymentError):
    """The environment's file cannot be used; `faults` are all that is wrong with it, each `where: what`."""

    def __init__(self, message: str, faults: Iterable[str] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join([message, *(f"  {fault}" for fault in self.faults)]))


class DeclinedError(DeploymentError):
    """A person said no, or nobody could be asked. Nothing of what was asked about has happened."""
