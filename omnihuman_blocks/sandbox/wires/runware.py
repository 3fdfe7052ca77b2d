"""Runware: one address, arrays of tasks in, `{"data": [...], "errors": [...]}` out.

Tasks of one request fail or succeed each for itself. The WebSocket speaks the same tasks.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from omnihuman_blocks.sandbox.answers import Answer, Cut, Door, Instead, Json, read_json
from omnihuman_blocks.sandbox.desk import Desk, base_of
from omnihuman_blocks.sandbox.dropping import drop
from omnihuman_blocks.sandbox.effects import Fails, Operation
from omnihuman_blocks.sandbox.job import Failure, Job
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.sandbox.strike import Strike
from omnihuman_blocks.sandbox.wires.runware_media import RunwareMedia
from omnihuman_blocks.sandbox.wires.runware_video import RunwareVideo
from omnihuman_blocks.sandbox.wires.runware_words import (
    FAILURES,
    Said,
    error,
    refusal,
)

Task: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Task, str, Strike], Awaitable[Said]]

OPERATIONS: Mapping[str, Operation] = {
    "videoInference": "submit",
    "getResponse": "status",
    "getTaskDetails": "logs",
    "mediaStorage": "upload",
    "imageUpload": "upload",
    "accountManagement": "logs",
}


@dataclass
class RunwareWire:
    """Runware as its clients see it."""

    desk: Desk
    vendor: Vendor = "runware"
    video: RunwareVideo = field(init=False)
    media: RunwareMedia = field(init=False)

    def __post_init__(self) -> None:
        self.media = RunwareMedia(self.desk)
        self.video = RunwareVideo(self.desk, self.media)
        self._handlers: dict[str, Handler] = {
            "videoInference": self.video.submit,
            "getResponse": self.video.response,
            "getTaskDetails": self.video.details,
            "mediaStorage": self.media.storage,
            "imageUpload": self.media.image_upload,
            "accountManagement": self._account,
            "ping": self._ping,
        }

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/runware/v1", Door(self.post), methods=["POST"]),
            Route("/runware", Door(self.post), methods=["POST"]),
            WebSocketRoute("/runware/v1", self.socket),
        ]

    def refuse(self, name: str, *, status: int | None = None) -> Answer:
        return refusal(name, status)

    def failure(self, fails: Fails) -> Failure:
        code, message = FAILURES.get(fails.failure, (fails.failure, "The task failed."))
        return Failure(code=code, message=fails.message or message, charged=fails.charged)

    def finished(self, job: Job) -> None:
        self.video.finished(job)

    # --- REST -----------------------------------------------------------------------------

    async def post(self, request: Request) -> Answer:
        try:
            tasks = read_tasks(await read_json(request))
        except ValueError:
            said = error("invalidRequestBody", "The body must be a JSON array of task objects.")
            return Answer(status=400, body={"errors": [said]})
        tasks, refused = self._authorized(request.headers.get("authorization"), tasks)
        if refused is not None:
            return refused
        return await self.perform(tasks, base_of(request))

    def _authorized(
        self, header: str | None, tasks: list[Task]
    ) -> tuple[list[Task], Answer | None]:
        keys = [task.get("apiKey") for task in tasks if task.get("taskType") == "authentication"]
        rest = [task for task in tasks if task.get("taskType") != "authentication"]
        key = header.removeprefix("Bearer ") if header is not None else next(iter(keys), None)
        if key is None:
            return rest, refusal("missingApiKey", 401)
        if not self.desk.admits("runware", key):
            return rest, refusal("key", 401)
        return rest, None

    async def perform(self, tasks: Sequence[Task], base: str) -> Answer:
        """Every task, and one answer for all of them."""
        strikes = [self._strike(task, base) for task in tasks]
        for strike in strikes:
            strike.before()
        said = Said()
        for task, strike in zip(tasks, strikes, strict=True):
            said += await self._one(task, base, strike)
        answer = Answer(status=said.status, body=said.body)
        for strike in strikes:
            answer = await strike.after(answer)
        for job in said.told:
            self.desk.told(job)
        return answer

    def _strike(self, task: Task, base: str) -> Strike:
        operation = OPERATIONS.get(str(task.get("taskType")), "logs")
        job = self.desk.engine.find("runware", str(task.get("taskUUID")))
        self.desk.note("runware", operation, job)
        if operation == "submit" and job is None:
            return self.desk.strike(lambda: self.video.moment(task, base), self.refuse)
        return self.desk.strike_about("runware", operation, job, self.refuse)

    async def _one(self, task: Task, base: str, strike: Strike) -> Said:
        kind = task.get("taskType")
        handler = self._handlers.get(str(kind))
        if handler is None:
            code = "missingTaskType" if kind is None else "unsupportedTaskType"
            return Said.no(
                error(code, f"`taskType` {kind!r} is not one we know.", task, "taskType")
            )
        return await handler(task, base, strike)

    async def _ping(self, _task: Task, _base: str, _strike: Strike) -> Said:
        return Said.yes({"taskType": "ping", "pong": True})

    async def _account(self, task: Task, _base: str, _strike: Strike) -> Said:
        if task.get("operation") != "getDetails":
            return Said.no(
                error("invalidOperation", "`operation` is not known.", task, "operation")
            )
        settings = self.desk.settings.runware
        spent = sum(float(job.charge_usd) for job in self.desk.engine.of("runware"))
        return Said.yes(
            {
                "taskType": "accountManagement",
                "taskUUID": task.get("taskUUID"),
                "operation": "getDetails",
                "organizationUUID": str(uuid.uuid5(uuid.NAMESPACE_URL, "omnihuman-sandbox")),
                "organizationName": "Sandbox",
                "balance": round(settings.balance_usd - spent, 4),
                "currency": "USD",
                "apiKeys": [],
                "team": [],
            }
        )

    # --- WebSocket ------------------------------------------------------------------------

    async def socket(self, socket: WebSocket) -> None:
        """The same tasks over a socket: the first message must carry the key."""
        await socket.accept()
        session = None
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                heard = message.get("text") or message.get("bytes") or b""
                frames, session = await self._hear(heard, socket, session)
                for frame in frames:
                    await socket.send_text(json.dumps(frame))
        except Cut as cut:
            await drop(socket.scope, socket.receive, reset=cut.reset)

    async def _hear(
        self, text: str | bytes, socket: WebSocket, session: str | None
    ) -> tuple[list[Json], str | None]:
        try:
            tasks = read_tasks(json.loads(text))
        except ValueError:
            said = error("invalidRequestBody", "A message must be a JSON array of task objects.")
            return [{"errors": [said]}], session
        frames: list[Json] = []
        if tasks and tasks[0].get("taskType") == "authentication":
            if not self.desk.admits("runware", tasks[0].get("apiKey")):
                return [refusal("key", 401).body], None
            session = tasks[0].get("connectionSessionUUID") or session or str(uuid.uuid4())
            hello = {"taskType": "authentication", "connectionSessionUUID": session}
            frames.append({"data": [hello]})
            tasks = tasks[1:]
        if session is None:
            return [refusal("missingApiKey", 401).body], None
        if tasks:
            frames += await self._frames(tasks, base_of(socket))
        return frames, session

    async def _frames(self, tasks: Sequence[Task], base: str) -> list[Json]:
        try:
            body = (await self.perform(tasks, base)).body
        except Instead as instead:
            body = instead.answer.body
        if not isinstance(body, dict):
            return [body.decode(errors="replace") if isinstance(body, bytes) else body]
        both = [{name: body[name]} for name in ("data", "errors") if body.get(name)]
        return both or [body]


def read_tasks(document: Json) -> list[Task]:
    """The tasks of a request; ValueError where it is not an array of objects."""
    if not isinstance(document, list) or not document:
        raise ValueError("not an array of tasks")
    if not all(isinstance(task, dict) for task in document):
        raise ValueError("not an array of objects")
    return document
