"""The finished videos and their addresses, which live for a while, or are said to be dead."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from omnihuman_blocks.sandbox.job import Job
from omnihuman_blocks.sandbox.settings import Settings

MEDIA_TYPES = {"mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime"}


@dataclass(kw_only=True)
class Output:
    """One address of one video."""

    name: str
    job: Job
    expires_at: float | None
    dead: int | None = None
    """The HTTP status that it answers with, once it is dead."""
    renewable: bool = False

    def status(self, now: float, expired_status: int) -> int | None:
        """Why it cannot be had, as an HTTP status; None while it can."""
        if self.dead is not None:
            return self.dead
        expired = self.expires_at is not None and now >= self.expires_at
        return expired_status if expired else None


class Outputs:
    """Every address that was ever given."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._outputs: dict[str, Output] = {}
        self._current: dict[tuple[int, int], Output] = {}

    def forget(self) -> None:
        """No addresses."""
        self._outputs.clear()
        self._current.clear()

    def address(self, job: Job, nth: int = 0) -> str:
        """Where the job's nth video is; another address where the last is dead and renewable."""
        output = self._current.get((job.number, nth))
        if output is None:
            output = self._new(job, born=job.finished_at or time.monotonic())
        elif self._to_renew(output):
            output = self._new(job, born=time.monotonic())
        self._current[job.number, nth] = output
        return f"{job.order.base}/outputs/{output.name}"

    def find(self, name: str) -> Output | None:
        """The output under an address."""
        return self._outputs.get(name)

    def status(self, output: Output) -> int | None:
        """Why it cannot be had, as an HTTP status; None while it can."""
        return output.status(time.monotonic(), self._settings.outputs.expired_status)

    def another(self, job: Job) -> Job | None:
        """Some other job with a video of other bytes."""
        others = (output.job for output in reversed(self._outputs.values()))
        return next((other for other in others if other.film != job.film), None)

    def _to_renew(self, output: Output) -> bool:
        if self.status(output) is None:
            return False
        return output.renewable or self._settings.outputs.renewed

    def _new(self, job: Job, *, born: float) -> Output:
        lifetime = job.order.lifetime or self._settings.outputs.lifetime_seconds
        output = Output(
            name=f"{secrets.token_urlsafe(16)}.{job.order.container}",
            job=job,
            expires_at=None if lifetime is None else born + lifetime,
        )
        self._outputs[output.name] = output
        return output
