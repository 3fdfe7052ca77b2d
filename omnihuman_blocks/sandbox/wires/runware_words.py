"""Runware's words: what a task says (`Said`), its errors, and its refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from omnihuman_blocks.sandbox.answers import Answer, Json
from omnihuman_blocks.sandbox.job import Job

REFUSALS: Mapping[str, tuple[int, str, str, str | None]] = {
    "rate": (429, "rateLimitExceeded", "Too many requests. Please slow down.", None),
    "unavailable": (503, "serviceUnavailable", "The service is not available.", None),
    "balance": (
        402,
        "insufficientCredits",
        "Insufficient credits in your account. Please add credits to continue.",
        None,
    ),
    "key": (
        401,
        "invalidApiKey",
        "Invalid API key. Get one at https://runware.ai/signup",
        "apiKey",
    ),
    "missingApiKey": (401, "missingApiKey", "An API key is required.", "apiKey"),
    "suspended": (403, "accountSuspended", "This account has been suspended.", None),
}
FAILURES: Mapping[str, tuple[str, str]] = {
    "content": ("providerContentPolicyViolation", "The provider's content policy forbids this."),
    "internal": ("inferenceError", "The model failed while working on this task."),
    "timeout": (
        "timeoutProvider",
        "The external provider did not respond within the timeout window.",
    ),
    "unavailable": ("providerUnavailable", "The provider cannot be reached at the moment."),
}


@dataclass
class Said:
    """What one task or several have answered."""

    data: list[Json] = field(default_factory=list)
    errors: list[Json] = field(default_factory=list)
    told: list[Job] = field(default_factory=list)
    lenient: bool = False
    """Errors are the content of the answer, not its failure: the status stays 200."""

    @classmethod
    def yes(cls, *items: Json) -> Said:
        """A success."""
        return cls(data=list(items))

    @classmethod
    def no(cls, *errors: Json) -> Said:
        """A refusal."""
        return cls(errors=list(errors))

    def __iadd__(self, other: Said) -> Self:
        self.data += other.data
        self.errors += other.errors
        self.told += other.told
        self.lenient |= other.lenient
        return self

    @property
    def status(self) -> int:
        """400 where nothing but refusals is said."""
        return 400 if self.errors and not self.data and not self.lenient else 200

    @property
    def body(self) -> Json:
        """The envelope: `errors` only where there are some, since clients look for the name."""
        return {"data": self.data, "errors": self.errors} if self.errors else {"data": self.data}


def error(
    code: str,
    message: str,
    task: Mapping[str, Any] | None = None,
    parameter: str | None = None,
    **more: Json,
) -> dict[str, Json]:
    """One entry of `errors`."""
    said: dict[str, Json] = {"code": code, "message": message}
    if parameter is not None:
        said["parameter"] = parameter
    for name in ("taskType", "taskUUID"):
        if task is not None and task.get(name) is not None:
            said[name] = task[name]
    return said | more


def refusal(name: str, status: int | None = None) -> Answer:
    """A no to the whole request."""
    default, code, message, parameter = REFUSALS.get(name, (400, name, "Request refused.", None))
    said = error(code, message, {"taskType": "authentication"} if parameter else None, parameter)
    return Answer(status=status or default, body={"errors": [said]})
