"""Runware's `videoInference`: bought once per `taskUUID`, asked for with `getResponse`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omnihuman_blocks.sandbox.answers import Json
from omnihuman_blocks.sandbox.courier import Parcel
from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.effects import Forgotten
from omnihuman_blocks.sandbox.faults import Moment
from omnihuman_blocks.sandbox.job import Failure, Job, Limits, Order, Problem
from omnihuman_blocks.sandbox.outputs import MEDIA_TYPES
from omnihuman_blocks.sandbox.strike import Strike
from omnihuman_blocks.sandbox.wires.runware_media import RunwareMedia
from omnihuman_blocks.sandbox.wires.runware_rules import (
    DOCUMENTATION,
    SLUGS,
    Complaint,
    complaints,
    inputs_of,
    task_uuid_complaint,
)
from omnihuman_blocks.sandbox.wires.runware_words import Said, error, refusal

Task = dict[str, Any]

LIMITS = {
    "bytedance:5@1": Limits(
        audio_seconds=30.0,
        audio_seconds_included=True,
        image_sides=(300, 6000),
        image_bytes=10 * 1024 * 1024,
    ),
    "bytedance:5@2": Limits(),
}
CONTENT = ("positivePrompt", "seed", "providerSettings", "outputFormat", "outputQuality")
CONTENT_DEFAULTS = {"outputFormat": "MP4", "outputQuality": 95}


@dataclass
class RunwareVideo:
    """The tasks that make videos, and those that ask for them."""

    desk: Desk
    media: RunwareMedia
    archive: dict[str, Json] = field(default_factory=dict)
    """By `taskUUID`, the last thing that was said about it; a trap for those who ask for it."""

    # --- buying ---------------------------------------------------------------------------

    def moment(self, task: Task, base: str) -> Moment:
        """What a rule may know about a submission."""
        engine, found = self.desk.engine, [task_uuid_complaint(task), *complaints(task)]
        ticket = str(task.get("taskUUID"))
        known = Moment(
            vendor="runware",
            operation="submit",
            ticket=ticket,
            client_id=ticket,
            purchases=engine.purchases["runware"],
        )
        if any(found):
            return known
        return replace(self.desk.about_order(self._order(task, base)), ticket=ticket)

    async def submit(self, task: Task, base: str, strike: Strike) -> Said:
        """The acknowledgement is an echo: no status, no cost."""
        wrong = task_uuid_complaint(task) or next(complaints(task), None)
        if wrong is not None:
            return Said.no(_refused(task, wrong))
        blocked = self.desk.settings.runware.blocked
        if blocked is not None:
            return Said.no(*self._blocked(task, blocked))
        job = self.desk.engine.find("runware", task["taskUUID"])
        if job is not None and not self._is_forgotten(job, strike):
            conflict = error(
                "conflictTaskUUID",
                "A task with this `taskUUID` exists already.",
                task,
                "taskUUID",
            )
            self.archive[task["taskUUID"]] = {"errors": [conflict]}
            return Said.no(conflict)
        self.archive.pop(task["taskUUID"], None)
        await self.desk.accept(self._order(task, base))
        return Said.yes({"taskType": "videoInference", "taskUUID": task["taskUUID"]})

    def _blocked(self, task: Task, name: str) -> list[Json]:
        return [said | {"taskUUID": task["taskUUID"]} for said in refusal(name).body["errors"]]

    def _order(self, task: Task, base: str) -> Order:
        image, audio = inputs_of(task)
        return Order(
            vendor="runware",
            model=task["model"],
            ticket=task["taskUUID"],
            client_id=task["taskUUID"],
            base=base,
            body=task,
            addresses={
                "image": self.media.address(image, base),
                "audio": self.media.address(audio, base),
            },
            content=CONTENT_DEFAULTS | {name: task[name] for name in CONTENT if name in task},
            container=task.get("outputFormat", "MP4").lower(),
            results=task.get("numberResults", 1),
            limits=LIMITS[task["model"]],
            lifetime=task.get("ttl"),
            webhook=task.get("webhookURL"),
            explain=_explain,
        )

    # --- asking ---------------------------------------------------------------------------

    async def response(self, task: Task, _base: str, strike: Strike) -> Said:
        """`getResponse`: everything that is known so far, again and again."""
        wrong = task_uuid_complaint(task)
        if wrong is not None:
            return Said.no(_refused(task, wrong))
        job = self.desk.engine.find("runware", task["taskUUID"])
        if job is None or self._is_forgotten(job, strike):
            return Said(lenient=True)
        return Said(*self._items(job), told=[job], lenient=True)

    async def details(self, task: Task, _base: str, _strike: Strike) -> Said:
        """`getTaskDetails`: the archived request and the last answer that was given to it."""
        wrong = task_uuid_complaint(task)
        if wrong is not None:
            return Said.no(_refused(task, wrong))
        job = self.desk.engine.find("runware", task["taskUUID"])
        if job is None:
            return Said.no(error("taskNotFound", "No such task.", task, "taskUUID"))
        data, errors = self._items(job)
        response = {"data": data} | ({"errors": errors} if errors else {})
        return Said.yes(
            {
                "taskType": "getTaskDetails",
                "taskUUID": task["taskUUID"],
                "request": [job.order.body],
                "response": self.archive.get(task["taskUUID"], response),
            }
        )

    def _is_forgotten(self, job: Job, strike: Strike) -> bool:
        if job.finished_at is None:
            return False
        if strike.has(Forgotten):
            return True
        memory = self.desk.settings.runware.forgets_finished_after
        return memory is not None and time.monotonic() - job.finished_at >= memory

    def _items(self, job: Job) -> tuple[list[Json], list[Json]]:
        echo = {"taskType": "videoInference", "taskUUID": job.order.ticket}
        if job.phase in ("queued", "working"):
            return [echo | {"status": "processing"} | self._progress(job)], []
        if job.failure is None:
            return [self.result(job, nth) for nth in range(job.order.results)], []
        said = error(job.failure.code, job.failure.message, echo)
        if self.desk.settings.runware.failures == "item":
            about = {name: said[name] for name in ("code", "message")}
            return [echo | {"status": "error", "error": about}], []
        documentation = "https://runware.ai/docs/platform/errors"
        return [], [said | {"status": "error", "documentation": documentation}]

    def _progress(self, job: Job) -> dict[str, Json]:
        if not self.desk.settings.runware.progress or job.started_at is None:
            return {}
        if job.made_at is None:
            return {"progress": 0}
        share = (time.monotonic() - job.started_at) / max(job.end() - job.started_at, 1e-6)
        return {"progress": min(99, int(100 * share))}

    def result(self, job: Job, nth: int) -> dict[str, Json]:
        """One finished video."""
        body: Mapping[str, Any] = job.order.body
        item = {
            "taskType": "videoInference",
            "taskUUID": job.order.ticket,
            "status": "success",
            "videoUUID": job.output_ids[nth],
            "videoURL": self.desk.outputs.address(job, nth),
            "seed": job.seeds[nth],
        }
        if body.get("includeCost"):
            item["cost"] = float(job.charge_usd / job.order.results)
        safety = body.get("safety") or {}
        if safety.get("checkContent") or safety.get("mode", "none") != "none":
            item["NSFWContent"] = False
        return item

    # --- calling back ---------------------------------------------------------------------

    def finished(self, job: Job) -> None:
        """Upload and webhooks of a job that has ended."""
        endpoint = job.order.body.get("uploadEndpoint")
        if endpoint is not None and job.film is not None:
            headers = {"Content-Type": MEDIA_TYPES[job.order.container]}
            self.desk.courier.send(
                Parcel(method="PUT", url=endpoint, body=job.film, headers=headers)
            )
        items, errors = self._items(job)
        forged = {
            "taskType": "videoInference",
            "taskUUID": job.order.ticket,
            "status": "success",
            "videoUUID": "00000000-0000-4000-8000-000000000000",
            "videoURL": f"{job.order.base}/outputs/forged.mp4",
            "cost": 0.0,
        }
        url = job.order.webhook or ""
        self.desk.callbacks.send(
            job,
            [Parcel(url=url, body=json.dumps(item).encode()) for item in [*items, *errors]],
            [Parcel(url=url, body=json.dumps(forged).encode())],
        )


def _refused(task: Task, wrong: Complaint) -> Json:
    more: dict[str, Json] = {}
    if str(task.get("model")) in SLUGS:
        more["documentation"] = DOCUMENTATION.format(slug=SLUGS[task["model"]])
    if wrong.allowed:
        more["allowedValues"] = list(wrong.allowed)
    return error(wrong.code, wrong.message, task, wrong.parameter, **more)


def _explain(problem: Problem) -> Failure:
    codes = {
        "unreachable": "downloadFailed",
        "unreadable": "invalidProviderContent",
        "too_long": "valueTooLarge",
        "too_small": "valueTooSmall",
        "too_large": "valueTooLarge",
        "format": "unsupportedFormat",
    }
    parameter = "inputs.audio" if problem.medium == "audio" else "inputs.image"
    return Failure(
        code=codes[problem.trouble],
        message=f"`{parameter}`: {problem.trouble.replace('_', ' ')} ({problem.said}).",
    )
