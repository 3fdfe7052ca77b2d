"""Pixazo: an input in, a polling address out; one object for every state of a job.

It says little: no cost, no code for an error, and two ways to write a moment in one answer.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door, Instead, Json, read_json
from omnihuman_blocks.sandbox.courier import Parcel
from omnihuman_blocks.sandbox.desk import Desk, base_of
from omnihuman_blocks.sandbox.effects import Fails, Forgotten
from omnihuman_blocks.sandbox.job import Failure, Job, Limits, Order, Problem
from omnihuman_blocks.sandbox.network import is_loopback, is_web
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.sandbox.times import iso_z, wall, zoneless

MODEL = "bytedance-omnihuman-v1-5-290"
PREFIX = "/pixazo"
RESOLUTIONS = ("480p", "720p", "1080p")
STATUSES = {"queued": "QUEUED", "working": "PROCESSING", "done": "COMPLETED"}

REFUSALS: Mapping[str, tuple[int, Json]] = {
    "rate": (429, {"error": "Too Many Requests", "message": "Rate limit exceeded."}),
    "unavailable": (500, {"error": "Internal Server Error", "message": "Please try again."}),
    "balance": (
        402,
        {"error": "Insufficient Balance", "message": "Your wallet does not have enough balance."},
    ),
    "key": (
        401,
        {
            "statusCode": 401,
            "message": "Access denied due to invalid subscription key. Make sure to provide a "
            "valid key for an active subscription.",
        },
    ),
    "missing_key": (
        401,
        {
            "statusCode": 401,
            "message": "Access denied due to missing subscription key. Make sure to include "
            "subscription key when making requests to an API.",
        },
    ),
    "suspended": (403, {"error": "Forbidden", "message": "Your account is suspended."}),
    "model": (
        400,
        {"error": "Model not found", "message": f"Model '{MODEL}' not found or is disabled"},
    ),
    "unknown": (404, {"error": "Not Found", "message": "Request not found"}),
}
# Name -> FAILED (the generation) or ERROR (the system, never charged), and what is said.
FAILURES: Mapping[str, tuple[str, str]] = {
    "content": ("FAILED", "Content policy violation: the input was rejected by the safety system."),
    "internal": ("ERROR", "Internal error while processing the request."),
    "timeout": ("ERROR", "Generation timed out."),
    "unavailable": ("ERROR", "Upstream provider is not available."),
    "FAILED": ("FAILED", "Generation failed."),
    "ERROR": ("ERROR", "System error."),
}


@dataclass
class PixazoWire:
    """Pixazo as its clients see it."""

    desk: Desk
    vendor: Vendor = "pixazo"

    def routes(self) -> list[BaseRoute]:
        submit = f"{PREFIX}/{MODEL}/v1/bytedance-omnihuman-v1-5-request"
        status = f"{PREFIX}/v2/requests/status/{{request_id}}"
        return [
            Route(submit, Door(self.submit), methods=["POST"]),
            Route(status, Door(self.status), methods=["GET"]),
        ]

    def refuse(self, name: str, *, status: int | None = None) -> Answer:
        custom = (400, {"error": name, "message": name})
        default, body = REFUSALS.get(name, custom)
        return Answer(status=status or default, body=body)

    def failure(self, fails: Fails) -> Failure:
        state, said = FAILURES.get(fails.failure, ("FAILED", fails.failure))
        return Failure(code=state, message=fails.message or said, charged=fails.charged)

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("ocp-apim-subscription-key")
        if key is None:
            raise Instead(self.refuse("missing_key"))
        if not self.desk.admits("pixazo", key):
            raise Instead(self.refuse("key"))

    # --- buying -----------------------------------------------------------------------------

    async def submit(self, request: Request) -> Answer:
        self.desk.note("pixazo", "submit")
        self._check_key(request)
        try:
            body = await read_json(request)
        except ValueError:
            body = None
        wrong = _complaint(body) or _webhook_complaint(request)
        if wrong is not None:
            raise Instead(Answer(status=400, body={"error": "Bad Request", "message": wrong}))
        order = self._order(request, body)
        strike = self.desk.strike(lambda: self.desk.about_order(order), self.refuse)
        strike.before()
        blocked = self.desk.settings.pixazo.blocked
        if blocked is not None:
            raise Instead(self.refuse(blocked))
        job = await self.desk.accept(order)
        if job.order.webhook and request.headers.get("x-webhook-mode", "").lower() == "sync":
            self.desk.courier.watch(asyncio.create_task(self._keep_calling(job)))
        said = {
            "request_id": order.ticket,
            "status": "QUEUED",
            "polling_url": f"{order.base}{PREFIX}/v2/requests/status/{order.ticket}",
        }
        return await strike.after(Answer(status=202, body=said))

    def _order(self, request: Request, body: dict[str, Any]) -> Order:
        resolution = body.get("resolution") or "720p"
        return Order(
            vendor="pixazo",
            model=MODEL,
            ticket=f"{MODEL}_{_uuid7()}",
            base=base_of(request),
            body=body,
            addresses={"image": body["image_url"], "audio": body["audio_url"]},
            content={"resolution": resolution},
            resolution=resolution,
            limits=Limits(audio_formats=frozenset(("mp3", "wav"))),
            webhook=request.headers.get("x-webhook-url"),
            explain=_explain,
        )

    # --- asking -----------------------------------------------------------------------------

    async def status(self, request: Request) -> Answer:
        self._check_key(request)
        job = self.desk.engine.find("pixazo", request.path_params["request_id"])
        self.desk.note("pixazo", "status", job)
        strike = self.desk.strike_about("pixazo", "status", job, self.refuse)
        strike.before()
        if job is None or (job.finished_at is not None and strike.has(Forgotten)):
            raise Instead(self.refuse("unknown"))
        answer = await strike.after(Answer(body=self.state(job)))
        self.desk.told(job)
        return answer

    def state(self, job: Job) -> dict[str, Json]:
        """One object for every state."""
        failure = job.failure if job.finished_at is not None else None
        changed = job.finished_at or job.started_at or job.accepted_at
        return {
            "request_id": job.order.ticket,
            "status": failure.code if failure else STATUSES[job.phase],
            "model_id": MODEL,
            "error": failure.message if failure else None,
            "output": self._output(job) if job.phase == "done" else None,
            "created_at": iso_z(wall(job.accepted_at)),
            "updated_at": zoneless(wall(changed)),
            "completed_at": zoneless(wall(job.finished_at)) if job.finished_at else None,
        }

    def _output(self, job: Job) -> dict[str, Json]:
        address = self.desk.outputs.address(job)
        return {"media_url": [address], "media_type": self.desk.settings.pixazo.media_type}

    # --- calling back -----------------------------------------------------------------------

    def finished(self, job: Job) -> None:
        elsewhere = {
            "media_url": [f"{job.order.base}/outputs/forged.mp4"],
            "media_type": "video/mp4",
        }
        forged = self.state(job) | {"status": "COMPLETED", "error": None, "output": elsewhere}
        self.desk.callbacks.send(
            job, [self._parcel(job, self.state(job))], [self._parcel(job, forged)]
        )

    def _parcel(self, job: Job, said: Json) -> Parcel:
        return Parcel(url=job.order.webhook or "", body=json.dumps(said).encode())

    async def _keep_calling(self, job: Job) -> None:
        settings = self.desk.settings
        while True:
            pause = settings.pixazo.cycle_seconds * settings.time_scale
            await asyncio.sleep(max(pause, 0.02))
            self.desk.engine.advance()
            if job.finished_at is not None:
                return
            await self.desk.courier.deliver(self._parcel(job, self.state(job)))


def _complaint(body: Json) -> str | None:
    if not isinstance(body, dict):
        return "The request body must be a JSON object."
    for name in ("image_url", "audio_url"):
        if not isinstance(body.get(name), str) or not body[name]:
            return f"'{name}' is required"
        if not body[name].startswith(("http://", "https://")):
            return f"'{name}' must be a publicly accessible URL"
    if body.get("resolution") not in (None, *RESOLUTIONS):
        return f"'resolution' must be one of {', '.join(RESOLUTIONS)}"
    unknown = sorted(set(body) - {"image_url", "audio_url", "resolution"})
    return f"Unknown parameter '{unknown[0]}'" if unknown else None


def _webhook_complaint(request: Request) -> str | None:
    address = request.headers.get("x-webhook-url")
    if address is None or is_loopback(address):
        return None
    if address.startswith("https://") and is_web(address):
        return None
    return "X-Webhook-URL must be an https URL"


def _explain(problem: Problem) -> Failure:
    said = {
        "unreachable": f"Failed to download {problem.medium}",
        "unreadable": f"Unsupported or corrupt {problem.medium} file",
    }
    message = said.get(problem.trouble, f"Invalid {problem.medium}: {problem.said}")
    return Failure(code="FAILED", message=message)


def _uuid7() -> str:
    """A UUID that begins with the time, as this vendor's do."""
    millis = int(time.time() * 1000)
    value = (millis << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62)
    return str(uuid.UUID(int=value | secrets.randbits(62)))
