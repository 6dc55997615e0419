"""What stops a deployment. Every message says what has happened and what to do next."""


class DeploymentError(Exception):
    """It cannot go on, or must not; the message is for the person who asked for it."""


class WrongParametersError(DeploymentError):
    """The environment's file cannot be used; the message tells all that is wrong with it at once."""


class DeclinedError(DeploymentError):
    """A person said no, or nobody could be asked. Nothing of what was asked about has happened."""
