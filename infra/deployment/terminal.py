"""Speaks with the person who deploys."""

import os
import sys
from dataclasses import dataclass, field
from typing import TextIO

from infra.deployment.errors import DeclinedError

_RED, _PLAIN = "\033[31m", "\033[0m"


def _stdin() -> TextIO:
    return sys.stdin


def _stdout() -> TextIO:
    return sys.stdout


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """`assume_yes` answers ordinary questions, never those that are asked because data could be lost."""

    assume_yes: bool = False
    read: TextIO = field(default_factory=_stdin)
    write: TextIO = field(default_factory=_stdout)

    def say(self, text: str = "") -> None:
        """A line."""
        print(text, file=self.write, flush=True)

    def warn(self, text: str) -> None:
        """A line that must not be overlooked."""
        coloured = self.write.isatty() and "NO_COLOR" not in os.environ
        self.say(f"{_RED}{text}{_PLAIN}" if coloured else text)

    def agree(self, question: str) -> None:
        """Ask an ordinary question. Raises DeclinedError unless the answer is yes."""
        if self.assume_yes:
            return
        if self._answer(f"{question} [y/N] ", "Give --yes to go on without being asked.") not in {"y", "yes"}:
            raise DeclinedError("Nothing was changed.")

    def agree_in_person(self, question: str, words: str) -> None:
        """Ask for words to be typed. Raises DeclinedError unless they are; `assume_yes` does not answer it."""
        answer = self._answer(
            f"{question}\nType {words} to go on: ",
            "A person must answer this one at a terminal; --yes does not.",
        )
        if answer != words.lower():
            raise DeclinedError("Nothing was changed.")

    def _answer(self, question: str, otherwise: str) -> str:
        self.write.write(question)
        self.write.flush()
        line = self.read.readline()
        if not line:
            self.say()
            raise DeclinedError(f"Nobody could be asked. {otherwise}")
        return line.strip().lower()
