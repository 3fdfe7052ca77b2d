"""AIMLAPI's words: one form for every refusal, with the status as a text."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal

from omnihuman_blocks.sandbox.answers import Answer
from omnihuman_blocks.sandbox.times import iso_z

CREDITS_PER_USD = Decimal(2_000_000)

REFUSALS: Mapping[str, tuple[int, str]] = {
    "rate": (429, "Too Many Requests"),
    "unavailable": (503, "Service unavailable"),
    "balance": (
        403,
        "You've run out of credits. Please top up your balance or update your payment method.",
    ),
    "key": (
        401,
        "This request requires a valid API key. Create one at https://aimlapi.com/app/keys",
    ),
    "suspended": (403, "Forbidden. Your account is suspended."),
    "unknown": (404, "Generation not found"),
}


def refusal(name: str, path: str, status: int | None = None) -> Answer:
    """A no to a request."""
    default, message = REFUSALS.get(name, (400, name))
    return said(status or default, message, path)


def complain(path: str, wrong: Sequence[str]) -> Answer:
    """400, with what was expected and received."""
    return said(400, "Body validation error! " + "; ".join(wrong), path)


def said(status: int, message: str, path: str) -> Answer:
    """The one form of every refusal."""
    body = {
        "message": message,
        "path": path,
        "requestId": str(uuid.uuid4()),
        "statusCode": str(status),
        "timestamp": iso_z(time.time()),
    }
    return Answer(status=status, body=body)
