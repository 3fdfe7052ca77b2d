"""What every room's tests need: a job to buy, replies from files, and a way to answer a flow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from omnihuman_blocks.domain.identity import attempt_uuid
from omnihuman_blocks.domain.job import (
    Bill,
    Failed,
    Job,
    JobKey,
    Media,
    MediaKind,
    Ready,
    Submission,
    Ticket,
    Upload,
    Working,
)
from omnihuman_blocks.domain.wire import Flow, HttpCall, HttpReply
from omnihuman_blocks.errors import OmniHumanError, Refused, Transient
from omnihuman_blocks.providers import PROVIDERS

REPLIES = Path(__file__).parent / "replies"
KEY = JobKey("5ca1ab1e" * 8)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What a flow asked, and what it made of the answers."""

    calls: list[HttpCall]
    outcome: Any


class Order(Protocol):
    """A submission for a vendor, with everything in its usual position."""

    def __call__(
        self, vendor: str, version: str = "1.5", *, attempt: int = 1, **wishes: object
    ) -> Submission: ...


class Recorded(Protocol):
    """The replies of a file, with `{names}` in it filled in."""

    def __call__(self, vendor: str, name: str, **names: str) -> list[HttpReply]: ...


Follow = Callable[[Flow[Any], Sequence[HttpReply]], Exchange]
Describe = Callable[[object], dict[str, Any]]


def _medium(kind: MediaKind, file_format: str) -> Media:
    seconds = Decimal("12.5") if kind is MediaKind.AUDIO else None
    uri = f"https://media.example/{kind.value}.{file_format}"
    return Media(
        kind=kind, uri=uri, sha256="0" * 64, size=1000, format=file_format, seconds=seconds
    )


@pytest.fixture(scope="session")
def order() -> Order:
    def make(
        vendor: str, version: str = "1.5", *, attempt: int = 1, **wishes: object
    ) -> Submission:
        model = PROVIDERS[vendor].MODELS[version]
        options, _ = model.options.understand(wishes)
        job = Job(
            key=KEY,
            provider=vendor,
            model=model.id,
            image=_medium(MediaKind.IMAGE, "png"),
            audio=_medium(MediaKind.AUDIO, "mp3"),
            options=options,
        )
        return Submission(job=job, attempt=attempt, image=job.image.uri, audio=job.audio.uri)

    return make


@pytest.fixture(scope="session")
def upload() -> Callable[[MediaKind], Upload]:
    def make(kind: MediaKind) -> Upload:
        media_type = "audio/mpeg" if kind is MediaKind.AUDIO else "image/png"
        return Upload(kind=kind, name="Zoë.png", media_type=media_type, content=b"\x89PNG bytes")

    return make


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    def load(vendor: str, name: str, **names: str) -> list[HttpReply]:
        kept = json.loads((REPLIES / vendor / f"{name}.json").read_text())
        date.fromisoformat(kept["read_on"])
        assert kept["source"]
        names = {"task": attempt_uuid(KEY, 1), "client": f"omnihuman:{KEY}:1", **names}
        return [_reply(answer, names) for answer in kept["answers"]]

    return load


def _reply(answer: dict[str, Any], names: Mapping[str, str]) -> HttpReply:
    text = json.dumps(answer["body"]) if "body" in answer else answer.get("text", "")
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return HttpReply(status=answer["status"], headers=answer.get("headers", {}), text=text)


@pytest.fixture(scope="session")
def follow() -> Follow:
    def answer(flow: Flow[Any], replies: Sequence[HttpReply]) -> Exchange:
        """Answers every question in order; all replies must be wanted, and no purchase be made."""
        calls: list[HttpCall] = []
        waiting = list(replies)
        outcome: object = None
        try:
            call = next(flow)
            while True:
                assert not call.spends
                calls.append(call)
                assert waiting, f"one question too many: {call}"
                call = flow.send(waiting.pop(0))
        except StopIteration as end:
            outcome = end.value
        except OmniHumanError as error:
            outcome = error
        assert not waiting, "an answer that nobody asked for"
        return Exchange(calls=calls, outcome=outcome)

    return answer


@pytest.fixture(scope="session")
def describe() -> Describe:
    """An outcome as plain values, without what is at its default: easy to write in a table."""

    def plain(outcome: object) -> dict[str, Any]:
        if isinstance(outcome, OmniHumanError):
            return _described_error(outcome)
        assert isinstance(outcome, Working | Ready | Failed | Ticket), outcome
        told: dict[str, Any] = {"is": type(outcome).__name__}
        if isinstance(outcome, Ready):
            told |= _described_ready(outcome)
        elif isinstance(outcome, Failed):
            told |= {"error": plain(outcome.error), "charged": outcome.charged}
            told |= {"retryable": outcome.retryable}
        elif isinstance(outcome, Ticket):
            told |= {"id": outcome.id}
            told |= _described_bill(outcome.quoted or Bill())
        else:
            told |= {"said": outcome.said, "percent": outcome.percent}
            told |= {"position": outcome.queue_position, "logs": outcome.logs}
        return {name: value for name, value in told.items() if value not in (None, ())}

    return plain


def _described_error(error: OmniHumanError) -> dict[str, Any]:
    told: dict[str, Any] = {"is": type(error).__name__}
    if isinstance(error, Refused):
        told["code"] = error.code
    if isinstance(error, Transient) and error.retry_after is not None:
        told["retry_after"] = error.retry_after
    return told


def _described_ready(ready: Ready) -> dict[str, Any]:
    return {
        "urls": [output.url for output in ready.outputs],
        "ids": tuple(output.id for output in ready.outputs if output.id),
        "seeds": tuple(output.seed for output in ready.outputs if output.seed is not None),
        "unsafe": tuple(output.unsafe for output in ready.outputs if output.unsafe is not None),
        "failures": len(ready.failures) or None,
        "generated": ready.generated_seconds,
        **_described_bill(ready.bill),
    }


def _described_bill(bill: Bill) -> dict[str, Any]:
    return {"usd": bill.usd, "credits": bill.credits, "seconds": bill.seconds}
