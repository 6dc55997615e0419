"""What a check is, what it looks at, and what it answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from infra.deployment.deployer import Deployer
from infra.deployment.formation import StackResource
from infra.deployment.stacks import Stack


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works now, but somebody should look at it."""
    WRONG = "wrong"
    """It does not work, or data are in danger."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`advice` says what to do; it is empty only when all is well."""

    verdict: Verdict
    text: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What checks look at: an environment with its stacks, through the means of whoever deploys it."""

    deployer: Deployer
    stacks: tuple[Stack, ...]

    @property
    def region(self) -> str:
        """The environment's main region."""
        return self.deployer.environment.region

    def standing(self) -> list[Stack]:
        """The stacks that are there."""
        return [
            s for s in self.stacks if self.deployer.formation(s).describe(self.deployer.name(s)) is not None
        ]

    def resources(self, *types: str) -> list[tuple[Stack, StackResource]]:
        """Every resource of these types, with its stack."""
        return [
            (stack, resource)
            for stack in self.standing()
            for resource in self.deployer.formation(stack).resources(self.deployer.name(stack))
            if resource.type in types
        ]


Look = Callable[[Patient], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A name for a person, and the function that looks. It may let AWS's refusals through."""

    name: str
    look: Look


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(verdict=Verdict.OK, text=text)


def warning(text: str, advice: str) -> Finding:
    """Somebody should look at it."""
    return Finding(verdict=Verdict.WARNING, text=text, advice=advice)


def wrong(text: str, advice: str) -> Finding:
    """It must be put right."""
    return Finding(verdict=Verdict.WRONG, text=text, advice=advice)
