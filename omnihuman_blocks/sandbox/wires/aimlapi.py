"""AIMLAPI: a generation in, its id and its price out, asked for by id; a log of what was asked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door, Instead, Json, read_json
from omnihuman_blocks.sandbox.desk import Desk, base_of
from omnihuman_blocks.sandbox.effects import Fails, Forgotten
from omnihuman_blocks.sandbox.job import Failure, Job, Limits, Order, Problem
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.sandbox.wires.aimlapi_logs import AimlapiLogs
from omnihuman_blocks.sandbox.wires.aimlapi_words import CREDITS_PER_USD, complain, refusal

PREFIX = "/aimlapi"
GENERATIONS = f"{PREFIX}/v2/video/generations"
MODELS = ("bytedance/omnihuman", "bytedance/omnihuman/v1.5")
CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ID_SIGNS = string.ascii_letters + string.digits
HOLD_SECONDS = 30.0
"""What is held for audio that could not be measured before the answer."""
MEASURING_SECONDS = 5.0

FAILURES: Mapping[str, tuple[str, str]] = {
    "content": ("ContentPolicyViolation", "The content was rejected by the provider's moderation."),
    "internal": ("GenerationError", "Something went wrong while generating the video."),
    "timeout": ("GenerationTimeout", "Generation timeout"),
    "unavailable": ("ProviderUnavailable", "The provider is not available."),
}


@dataclass
class AimlapiWire:
    """AIMLAPI as its clients see it."""

    desk: Desk
    vendor: Vendor = "aimlapi"
    logs: AimlapiLogs = field(init=False)

    def __post_init__(self) -> None:
        self.logs = AimlapiLogs(self.desk, self._check_key, self.refuse)

    def routes(self) -> list[BaseRoute]:
        return [
            Route(GENERATIONS, Door(self.submit), methods=["POST"]),
            Route(GENERATIONS, Door(self.fetch), methods=["GET"]),
            *self.logs.routes(PREFIX),
        ]

    def refuse(self, name: str, *, status: int | None = None) -> Answer:
        return refusal(name, "/v2/video/generations", status)

    def failure(self, fails: Fails) -> Failure:
        name, said = FAILURES.get(fails.failure, (fails.failure, fails.failure))
        return Failure(code=name, message=fails.message or said, charged=fails.charged)

    def finished(self, job: Job) -> None:
        """Nobody can be called: this vendor has no webhooks for these models."""

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.desk.admits("aimlapi", key):
            raise Instead(refusal("key", request.scope["path"].removeprefix(PREFIX)))

    # --- buying -----------------------------------------------------------------------------

    async def submit(self, request: Request) -> Answer:
        self.desk.note("aimlapi", "submit")
        self._check_key(request)
        try:
            body = await read_json(request)
        except ValueError:
            body = None
        wrong = _complaints(body)
        if wrong:
            raise Instead(complain("/v2/video/generations", wrong))
        order = self._order(request, body)
        strike = self.desk.strike(lambda: self.desk.about_order(order), self.refuse)
        strike.before()
        blocked = self.desk.settings.aimlapi.blocked
        if blocked is not None:
            raise Instead(self.refuse(blocked))
        job = await self.desk.accept(order)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(job.measured.wait(), MEASURING_SECONDS)
        said = {"id": order.ticket, "status": self.desk.settings.aimlapi.queued_word}
        usage = {self.desk.settings.aimlapi.usage: self._hold(job)}
        answer = Answer(
            status=self.desk.settings.aimlapi.submit_status,
            body=self._with_nulls(said | {"meta": {"usage": usage}}),
            headers=_trace(job),
        )
        return await strike.after(answer)

    def _order(self, request: Request, body: dict[str, Any]) -> Order:
        model = body["model"]
        wished = request.headers.get("x-client-request-id", "")
        short = "".join(secrets.choice(ID_SIGNS) for _ in range(21))
        newer = self.desk.settings.aimlapi.ids == "short"
        return Order(
            vendor="aimlapi",
            model=model,
            ticket=short if newer else f"{uuid.uuid4()}:{model}",
            client_id=wished if CLIENT_ID.fullmatch(wished) else None,
            base=base_of(request),
            body=body,
            addresses={
                "image": _image_address(body["image_url"]),
                "audio": body["audio_url"],
            },
            limits=Limits(audio_seconds=30.0),
            explain=_explain,
        )

    def _hold(self, job: Job) -> int:
        seconds = HOLD_SECONDS if job.seconds is None else job.seconds
        return _credits(self.desk.engine.price(job.order, seconds))

    # --- asking -----------------------------------------------------------------------------

    async def fetch(self, request: Request) -> Answer:
        self._check_key(request)
        ticket = request.query_params.get("generation_id")
        if ticket is None:
            raise Instead(complain("/v2/video/generations", ["generation_id: Required"]))
        job = self.desk.engine.find("aimlapi", ticket)
        self.desk.note("aimlapi", "status", job)
        strike = self.desk.strike_about("aimlapi", "status", job, self.refuse)
        strike.before()
        if job is None or (job.finished_at is not None and strike.has(Forgotten)):
            raise Instead(self.refuse("unknown"))
        headers = _trace(job)
        if job.phase == "done":
            headers["x-aimlapi-credits-used"] = str(_credits(job.charge_usd))
            headers["x-aimlapi-usd-spent"] = f"{job.charge_usd:f}"
        answer = await strike.after(Answer(body=self.state(job), headers=headers))
        self.desk.told(job)
        return answer

    def state(self, job: Job) -> dict[str, Json]:
        """The generation as it stands."""
        settings = self.desk.settings.aimlapi
        words = {"queued": settings.queued_word, "working": settings.running_word}
        said: dict[str, Json] = {"id": job.order.ticket}
        if job.phase == "done":
            said |= {"status": "completed", "video": {"url": self.desk.outputs.address(job)}}
            if settings.usage_when_completed:
                said["meta"] = {"usage": {settings.usage: _credits(job.charge_usd)}}
        elif job.failure is not None and job.finished_at is not None:
            error = {"name": job.failure.code, "message": job.failure.message}
            said |= {"status": "error", "error": error}
        else:
            said["status"] = words[job.phase]
        return self._with_nulls(said)

    def _with_nulls(self, said: dict[str, Json]) -> dict[str, Json]:
        if not self.desk.settings.aimlapi.nulls:
            return said
        return {"video": None, "error": None, "meta": None} | said


def _credits(usd: Decimal) -> int:
    return int(usd * CREDITS_PER_USD)


def _trace(job: Job) -> dict[str, str]:
    headers = {"x-inference-id": job.order.ticket}
    if job.order.client_id is not None:
        headers["x-client-request-id"] = job.order.client_id
    return headers


def _image_address(image: str) -> str:
    if image.startswith(("http://", "https://", "data:")):
        return image
    return f"data:application/octet-stream;base64,{image}"


def _complaints(body: Json) -> list[str]:
    if not isinstance(body, dict):
        return ["body: Expected object"]
    wrong = []
    if body.get("model") not in MODELS:
        expected = " | ".join(map(repr, MODELS))
        wrong.append(f"model: Expected {expected}, received {body.get('model')!r}")
    for name in ("image_url", "audio_url"):
        if name not in body:
            wrong.append(f"{name}: Required")
        elif not isinstance(body[name], str) or not body[name]:
            kind = type(body[name]).__name__
            wrong.append(f"{name}: Expected string, received {kind}")
    audio = body.get("audio_url")
    if isinstance(audio, str) and audio and not audio.startswith(("http://", "https://")):
        wrong.append("audio_url: Invalid url")
    wrong += [
        f"{name}: Unrecognized key"
        for name in body
        if name not in ("model", "image_url", "audio_url")
    ]
    return wrong


def _explain(problem: Problem) -> Failure:
    if problem.trouble == "too_long":
        return Failure(code="InvalidAudio", message="Audio must be under 30s long.")
    verb = "download" if problem.trouble == "unreachable" else "read"
    return Failure(
        code=f"Invalid{problem.medium.capitalize()}",
        message=f"Failed to {verb} the {problem.medium}: {problem.said}",
    )
