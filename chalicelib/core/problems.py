"""What an error says, apart from how it is said: RFC 9457 problem details in any of our languages, now or later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from chalicelib.core import messages
from chalicelib.core.errors import FieldError, ImprimaturError, InvalidInput


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error as codes and their parameters. `errors` is None where wrong fields are not what it is about."""

    status: int
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    errors: tuple[FieldError, ...] | None = None

    def document(self, language: str, correlation_id: str) -> dict[str, Any]:
        """The problem details in that language, with every wrong field."""
        body: dict[str, Any] = {
            "type": f"urn:imprimatur:problem:{self.code}",
            "title": messages.text(f"{self.code}.title", language, self.params),
            "detail": messages.text(f"{self.code}.detail", language, self.params),
            "status": self.status,
            "code": self.code,
            "correlation_id": correlation_id,
        }
        if self.errors is not None:
            body["errors"] = [
                {
                    "pointer": wrong.pointer,
                    "code": wrong.code,
                    "message": messages.text(f"field.{wrong.code}", language, wrong.params),
                }
                for wrong in self.errors
            ]
        return body

    def codes(self) -> dict[str, Any]:
        """The problem without any language, as a JSON object that `from_codes` reads."""
        errors = self.errors and [
            {"pointer": wrong.pointer, "code": wrong.code, "params": dict(wrong.params)}
            for wrong in self.errors
        ]
        return {"status": self.status, "code": self.code, "params": dict(self.params), "errors": errors}

    @classmethod
    def from_codes(cls, codes: Mapping[str, Any]) -> Self:
        """Read back what `codes` gave."""
        errors = codes["errors"]
        return cls(
            status=codes["status"],
            code=codes["code"],
            params=codes["params"],
            errors=None if errors is None else tuple(FieldError(**wrong) for wrong in errors),
        )


def problem_of(error: ImprimaturError) -> Problem:
    """The problem that an error is."""
    errors = error.errors if isinstance(error, InvalidInput) else None
    return Problem(status=error.status, code=error.code, params=error.params, errors=errors)
