"""fal's queue: an input in, three addresses out; the truth is behind the third.

The queue takes anything. It is the model that validates, so a bad input is accepted with 200,
becomes COMPLETED, and is told at the result address. There is no failed state.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from omnihuman_blocks.sandbox.answers import Answer, Door, Instead, Json, read_json
from omnihuman_blocks.sandbox.courier import Parcel
from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.effects import Fails, Forgotten, Operation
from omnihuman_blocks.sandbox.job import Failure, Job
from omnihuman_blocks.sandbox.network import is_web
from omnihuman_blocks.sandbox.outputs import MEDIA_TYPES
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.sandbox.strike import Strike
from omnihuman_blocks.sandbox.times import iso_z, wall
from omnihuman_blocks.sandbox.wires import fal_words
from omnihuman_blocks.sandbox.wires.fal_orders import APP, order_of
from omnihuman_blocks.sandbox.wires.fal_signing import Signer
from omnihuman_blocks.sandbox.wires.fal_storage import FalStorage

QUEUE = "/fal/queue"
REQUESTS = f"{QUEUE}/{APP}/requests/{{request_id}}"
STREAM_PAUSE = 0.1
NOT_FOUND = Answer(status=404, body={"status": "NOT_FOUND"})


@dataclass
class FalWire:
    """fal as its clients see it."""

    desk: Desk
    vendor: Vendor = "fal"
    signer: Signer = field(default_factory=Signer)

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{REQUESTS}/status/stream", Door(self.stream), methods=["GET"]),
            Route(f"{REQUESTS}/status", Door(self.status), methods=["GET"]),
            Route(f"{REQUESTS}/cancel", Door(self.cancel), methods=["PUT"]),
            Route(REQUESTS, Door(self.result), methods=["GET"]),
            Route(f"{QUEUE}/{{path:path}}", Door(self.submit), methods=["POST"]),
            Route("/fal/rest/.well-known/jwks.json", Door(self.jwks), methods=["GET"]),
            *FalStorage(self.desk, self.check_key).routes(),
        ]

    def refuse(self, name: str, *, status: int | None = None) -> Answer:
        return _tagged(fal_words.refusal(name, status=status))

    def failure(self, fails: Fails) -> Failure:
        return fal_words.failure(fails)

    async def jwks(self, _request: Request) -> Answer:
        """The key with which webhooks are signed."""
        return Answer(body=self.signer.jwks())

    # --- who asks ---------------------------------------------------------------------------

    def check_key(self, request: Request, *, app: str = APP) -> None:
        """Raises fal's answer to a missing, malformed or unknown key."""
        header = request.headers.get("authorization")
        if header is None:
            detail = (
                f'Cannot access application "{app}". '
                "Authentication is required to access this application."
            )
            raise Instead(_tagged(Answer(status=401, body={"detail": detail})))
        scheme, _, key = header.partition(" ")
        if scheme != "Key" or ":" not in key:
            detail = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
            raise Instead(_tagged(Answer(status=401, body={"detail": detail})))
        if not self.desk.admits("fal", key):
            raise Instead(self.refuse("key"))

    def check_lock(self) -> None:
        """Raises fal's answer to an account that may not buy: before anything is looked at."""
        blocked = self.desk.settings.fal.blocked
        if blocked is not None:
            raise Instead(self.refuse(blocked))

    # --- buying -----------------------------------------------------------------------------

    async def submit(self, request: Request) -> Answer:
        path = request.path_params["path"].strip("/")
        app = "/".join(path.split("/")[:2])
        self.desk.note("fal", "submit")
        self.check_key(request, app=app)
        if app != APP:
            detail = f'Application "{path}" not found'
            raise Instead(_tagged(Answer(status=404, body={"detail": detail})))
        self.check_lock()
        webhook = request.query_params.get("fal_webhook")
        if webhook is not None and not is_web(webhook):
            raise Instead(self.refuse("Invalid webhook URL", status=400))
        try:
            body = await read_json(request)
        except ValueError:
            raise Instead(self.refuse("Invalid JSON body", status=400)) from None
        order = order_of(request, path, body)
        strike = self.desk.strike(lambda: self.desk.about_order(order), self.refuse)
        strike.before()
        self._check_queue(request)
        job = await self.desk.accept(order)
        answer = Answer(body=self._submitted(job), headers={"x-fal-request-id": order.ticket})
        return await strike.after(answer)

    def _check_queue(self, request: Request) -> None:
        longest = request.query_params.get("fal_max_queue_length", "")
        if longest.isdecimal() and self.desk.engine.waiting("fal") >= int(longest):
            raise Instead(self.refuse("Queue length exceeded", status=429))

    def _submitted(self, job: Job) -> dict[str, Json]:
        said = {"status": "IN_QUEUE", **self._addresses(job)}
        said["queue_position"] = self.desk.engine.position(job) if job.phase == "queued" else 0
        if job.order.webhook is not None:
            said["gateway_request_id"] = job.request_id
        return said

    def _addresses(self, job: Job) -> dict[str, Json]:
        base = f"{job.order.base}{QUEUE}/{APP}/requests/{job.order.ticket}"
        return {
            "request_id": job.order.ticket,
            "response_url": base,
            "status_url": f"{base}/status",
            "cancel_url": f"{base}/cancel",
        }

    # --- asking -----------------------------------------------------------------------------

    def _meet(self, request: Request, operation: Operation) -> tuple[Job, Strike]:
        """The job and what goes wrong; raises 404 for one that is not known (any more)."""
        self.check_key(request)
        job = self.desk.engine.find("fal", request.path_params["request_id"])
        self.desk.note("fal", operation, job)
        strike = self.desk.strike_about("fal", operation, job, self.refuse)
        strike.before()
        if job is None or (job.finished_at is not None and strike.has(Forgotten)):
            raise Instead(_tagged(NOT_FOUND))
        return job, strike

    async def status(self, request: Request) -> Answer:
        job, strike = self._meet(request, "status")
        body = self.state(job, with_logs=_wants_logs(request))
        code = 200 if body["status"] == "COMPLETED" else self.desk.settings.fal.running_status
        answer = Answer(status=code, body=body, headers={"x-fal-request-id": job.order.ticket})
        said = await strike.after(answer)
        self.desk.told(job)
        return said

    def state(self, job: Job, *, with_logs: bool) -> dict[str, Json]:
        """The status object: IN_QUEUE, IN_PROGRESS or COMPLETED, whatever came of it."""
        addresses = self._addresses(job)
        if job.phase == "queued":
            position = self.desk.engine.position(job)
            return {"status": "IN_QUEUE", "queue_position": position, **addresses}
        logs = _logs(job) if with_logs else None
        if job.phase == "working":
            return {"status": "IN_PROGRESS", "logs": logs, **addresses}
        started = job.started_at or job.finished_at or 0.0
        seconds = round((job.finished_at or started) - started, 3)
        said = {
            "status": "COMPLETED",
            "logs": logs,
            "metrics": {"inference_time": seconds},
            **addresses,
        }
        if job.failure is not None and self.desk.settings.fal.tells_error_in_status:
            said |= {"error": job.failure.message, "error_type": job.failure.code}
        return said

    async def result(self, request: Request) -> Answer:
        job, strike = self._meet(request, "result")
        answer = self._result(job).with_headers({"x-fal-request-id": job.order.ticket})
        said = await strike.after(answer)
        self.desk.told(job)
        return said

    def _result(self, job: Job) -> Answer:
        if job.finished_at is None:
            return Answer(status=400, body={"detail": "Request is still in progress"})
        if job.failure is not None:
            return fal_words.result_of(job.failure)
        units = f"{job.seconds or 0:.3f}"
        return Answer(body=self._output(job), headers={"X-Fal-Billable-Units": units})

    def _output(self, job: Job) -> dict[str, Json]:
        url = self.desk.outputs.address(job)
        if not self.desk.settings.fal.tells_duration:
            return {"video": {"url": url}}
        film = job.film or b""
        video = {
            "url": url,
            "content_type": MEDIA_TYPES[job.order.container],
            "file_name": "video.mp4",
            "file_size": len(film),
        }
        return {"video": video, "duration": round(job.seconds or 0.0, 3)}

    async def cancel(self, request: Request) -> Answer:
        job, strike = self._meet(request, "cancel")
        if job.finished_at is not None:
            answer = Answer(status=400, body={"status": "ALREADY_COMPLETED"})
        else:
            failure = fal_words.request_error("client_cancelled", "Request was cancelled")
            self.desk.engine.cancel(job, failure)
            answer = Answer(status=202, body={"status": "CANCELLATION_REQUESTED"})
        return await strike.after(answer.with_headers({"x-fal-request-id": job.order.ticket}))

    # --- the stream of states ---------------------------------------------------------------

    async def stream(self, request: Request) -> ASGIApp:
        """The states as server-sent events."""
        job, _strike = self._meet(request, "status")
        return StreamingResponse(
            self.events(job, with_logs=_wants_logs(request)),
            media_type="text/event-stream",
            headers={"x-fal-request-id": job.order.ticket},
        )

    async def events(self, job: Job, *, with_logs: bool) -> AsyncIterator[str]:
        """Every change of the state, until COMPLETED."""
        last: Json = None
        while True:
            self.desk.engine.advance()
            state = self.state(job, with_logs=with_logs)
            if state != last:
                yield f"data: {json.dumps(state)}\n\n"
            if state["status"] == "COMPLETED":
                self.desk.told(job)
                return
            last = state
            await asyncio.sleep(STREAM_PAUSE)

    # --- calling back -----------------------------------------------------------------------

    def finished(self, job: Job) -> None:
        ids = {"request_id": job.order.ticket, "gateway_request_id": job.request_id}
        answer = self._result(job)
        if job.failure is None:
            said = ids | {"status": "OK", "payload": answer.body}
        else:
            error = f"Invalid status code: {answer.status}"
            said = ids | {"status": "ERROR", "error": error, "payload": answer.body}
        elsewhere = {"video": {"url": f"{job.order.base}/outputs/forged.mp4"}, "duration": 1.0}
        forged = ids | {"status": "OK", "payload": elsewhere}
        self.desk.callbacks.send(
            job, [self._parcel(job, said, self.signer)], [self._parcel(job, forged, Signer())]
        )

    def _parcel(self, job: Job, said: Json, signer: Signer) -> Parcel:
        return Parcel(
            url=job.order.webhook or "",
            body=json.dumps(said).encode(),
            sign=partial(
                signer.headers,
                request_id=job.order.ticket,
                user_id=self.desk.settings.fal.user_id,
            ),
        )


def _tagged(answer: Answer) -> Answer:
    return answer.with_headers({"x-fal-request-id": str(uuid.uuid4())})


def _wants_logs(request: Request) -> bool:
    return request.query_params.get("logs", "").lower() in ("1", "true")


def _logs(job: Job) -> list[dict[str, Json]]:
    started = wall(job.started_at or job.accepted_at)
    lines = ["Reading the image and the audio.", "Generating."]
    if job.finished_at is not None:
        lines.append("Done." if job.failure is None else "Failed.")
    return [
        {"message": line, "timestamp": iso_z(started), "level": "INFO", "source": "USER"}
        for line in lines
    ]
