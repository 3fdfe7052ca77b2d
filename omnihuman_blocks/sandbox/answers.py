"""What a wire says, and the two ways in which it can be kept from saying it.

An endpoint takes a request and returns an `Answer`; `Door` is the ASGI face of one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from omnihuman_blocks.sandbox.dropping import drop

Json: TypeAlias = Any
Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer. Bytes go out as they are, everything else as JSON."""

    status: int = 200
    body: Json = None
    headers: Headers = field(default_factory=dict)
    media_type: str = "application/json"

    @property
    def raw(self) -> bytes:
        """The body as it goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode()

    def with_headers(self, headers: Headers) -> Answer:
        """The same answer with more headers."""
        return Answer(
            status=self.status,
            body=self.body,
            headers={**self.headers, **headers},
            media_type=self.media_type,
        )


class Instead(Exception):
    """Something else is answered than what the handler would have said."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class Cut(Exception):
    """Nothing is answered: the connection is closed, or reset."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__(reset)
        self.reset = reset


class Door:
    """An endpoint as an ASGI application. It returns an answer, or who is to give it."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Answer | ASGIApp]]) -> None:
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Answer | ASGIApp
        try:
            answer = await self.endpoint(Request(scope, receive))
        except Instead as instead:
            answer = instead.answer
        except Cut as cut:
            await drop(scope, receive, reset=cut.reset)
            return
        if isinstance(answer, Answer):
            await say(answer, send, body=scope["method"] != "HEAD")
        else:
            await answer(scope, receive, send)


async def say(answer: Answer, send: Send, *, body: bool = True) -> None:
    """Sends a whole answer."""
    raw = answer.raw
    headers = {
        "content-type": answer.media_type,
        "content-length": str(len(raw)),
        **{name.lower(): value for name, value in answer.headers.items()},
    }
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": raw if body else b""})


async def read_json(request: Request) -> Json:
    """The body, parsed; ValueError where it is not JSON."""
    raw = await request.body()
    return json.loads(raw)
