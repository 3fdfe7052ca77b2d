"""What goes wrong in one exchange: asked once, then applied before and after the real work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol, TypeVar

from omnihuman_blocks.sandbox.answers import Answer, Cut, Instead
from omnihuman_blocks.sandbox.effects import (
    Dropped,
    Effect,
    Garbled,
    LostAnswer,
    Refused,
    ServerError,
    Slow,
    TooManyRequests,
)

Found = TypeVar("Found")

PROXY_PAGE = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {reason}</h1></center>\r\n<hr><center>nginx</center>\r\n"
    "</body>\r\n</html>\r\n"
)
REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 504: "Gateway Time-out"}


class Refuses(Protocol):
    """How a vendor says no: `rate`, `unavailable`, `balance`, `key`, `suspended`, its own code."""

    def __call__(self, name: str, *, status: int | None = None) -> Answer: ...


@dataclass(frozen=True)
class Strike:
    """The effects that apply to one exchange."""

    effects: tuple[Effect, ...]
    refuses: Refuses

    def get(self, kind: type[Found]) -> Found | None:
        """The first effect of this kind."""
        return next((effect for effect in self.effects if isinstance(effect, kind)), None)

    def has(self, kind: type[object]) -> bool:
        """Whether there is an effect of this kind."""
        return any(isinstance(effect, kind) for effect in self.effects)

    def before(self) -> None:
        """Raises what is said, or not said, instead of doing anything."""
        for effect in self.effects:
            if isinstance(effect, Dropped):
                raise Cut(reset=effect.reset)
            if isinstance(effect, Refused):
                raise Instead(self.refuses(effect.refusal, status=effect.status))
            if isinstance(effect, TooManyRequests):
                raise Instead(_too_many(effect, self.refuses))
            if isinstance(effect, ServerError) and not effect.carried_out:
                raise Instead(_server_error(effect, self.refuses))

    async def after(self, answer: Answer) -> Answer:
        """What is said once the work is done."""
        for effect in self.effects:
            if isinstance(effect, Slow):
                await asyncio.sleep(effect.seconds)
        for effect in self.effects:
            if isinstance(effect, LostAnswer):
                raise Cut(reset=effect.reset)
            if isinstance(effect, ServerError) and effect.carried_out:
                raise Instead(_server_error(effect, self.refuses))
            if isinstance(effect, Garbled):
                raise Instead(_garbled(effect, answer))
        return answer


def _too_many(effect: TooManyRequests, refuses: Callable[..., Answer]) -> Answer:
    answer = refuses("rate")
    if effect.retry_after is None:
        return answer
    if effect.as_date:
        when = formatdate(time.time() + effect.retry_after, usegmt=True)
        return answer.with_headers({"Retry-After": when})
    return answer.with_headers({"Retry-After": f"{effect.retry_after:g}"})


def _server_error(effect: ServerError, refuses: Refuses) -> Answer:
    if effect.form == "json":
        return refuses("unavailable", status=effect.status)
    reason = REASONS.get(effect.status, "Service Temporarily Unavailable")
    page = PROXY_PAGE.format(status=effect.status, reason=reason)
    return Answer(status=effect.status, body=page.encode(), media_type="text/html")


def _garbled(effect: Garbled, answer: Answer) -> Answer:
    raw = answer.raw
    bodies = {
        "half": raw[: len(raw) // 2],
        "text": b"upstream connect error or disconnect/reset before headers",
        "empty": b"",
        "list": b"[]",
        "object": b"{}",
    }
    return Answer(status=answer.status, body=bodies[effect.form], headers=answer.headers)
