"""GET /outputs/NAME -> the video, or what the switchboard wants a client to meet instead."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from omnihuman_blocks.sandbox.answers import Answer, Door
from omnihuman_blocks.sandbox.bodies import misbehaving
from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.effects import (
    Empty,
    Expired,
    Html,
    OtherVideo,
    Truncated,
    WrongLength,
)
from omnihuman_blocks.sandbox.job import Job
from omnihuman_blocks.sandbox.outputs import MEDIA_TYPES, Output
from omnihuman_blocks.sandbox.sounds import silence, tone
from omnihuman_blocks.sandbox.strike import Strike

PAGE = b"<!doctype html><html><body><h1>Please sign in to continue</h1></body></html>"
GONE = {403: "Access denied", 404: "Not found", 410: "Gone"}


@dataclass(frozen=True)
class Downloads:
    """The door to the videos."""

    desk: Desk

    def routes(self) -> list[BaseRoute]:
        """One address per output."""
        return [Route("/outputs/{name}", Door(self.serve), methods=["GET", "HEAD"])]

    async def serve(self, request: Request) -> Answer | ASGIApp:
        """One download, whole or as the switchboard wants it."""
        output = self.desk.outputs.find(request.path_params["name"])
        if output is None:
            return _gone(404)
        job = output.job
        self.desk.note(job.order.vendor, "download", job)
        strike = self.desk.strike_about(job.order.vendor, "download", job, _refuse)
        strike.before()
        answer = await strike.after(await self._answer(request, output, strike))
        if answer.status not in (200, 206) or request.method != "GET":
            return answer
        return misbehaving(answer, strike) or answer

    async def _answer(self, request: Request, output: Output, strike: Strike) -> Answer:
        expired = strike.get(Expired)
        if expired is not None:
            output.dead, output.renewable = expired.status, expired.fresh
        status = self.desk.outputs.status(output)
        if status is not None:
            return _gone(status)
        film = await self._film(output.job, strike)
        media_type = MEDIA_TYPES[output.job.order.container]
        if strike.has(Html):
            return Answer(body=PAGE, media_type="text/html; charset=utf-8")
        truncated = strike.get(Truncated)
        if strike.has(Empty):
            film = b""
        elif truncated is not None and truncated.honest:
            film = film[: int(len(film) * truncated.keep)]
        return _ranged(request, film, media_type)

    async def _film(self, job: Job, strike: Strike) -> bytes:
        film = job.film or b""
        wrong_length = strike.get(WrongLength)
        if wrong_length is not None:
            return await self._resung(job, silence((job.seconds or 1.0) * wrong_length.factor))
        if strike.has(OtherVideo):
            other = self.desk.outputs.another(job)
            if other is not None and other.film is not None:
                return other.film
            return await self._resung(job, tone(job.seconds or 1.0))
        return film

    async def _resung(self, job: Job, sound: bytes) -> bytes:
        return await self.desk.engine.maker.studio.render(
            image=job.inputs["image"].data,
            audio=sound,
            resolution=job.order.resolution,
            container=job.order.container,
        )


def _refuse(name: str, *, status: int | None = None) -> Answer:
    number = status or {"rate": 429, "unavailable": 503}.get(name, 403)
    return Answer(status=number, body=f"{name}\n".encode(), media_type="text/plain")


def _gone(status: int) -> Answer:
    body = f"<?xml version='1.0'?><Error><Message>{GONE[status]}</Message></Error>"
    return Answer(status=status, body=body.encode(), media_type="application/xml")


def _ranged(request: Request, film: bytes, media_type: str) -> Answer:
    headers = {"accept-ranges": "bytes", "etag": f'"{zlib.crc32(film):08x}-{len(film)}"'}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Answer(body=film, media_type=media_type, headers=headers)
    first = int(wanted[1])
    last = min(int(wanted[2]) if wanted[2] else len(film) - 1, len(film) - 1)
    if first > last:
        headers["content-range"] = f"bytes */{len(film)}"
        return Answer(status=416, body=b"", headers=headers)
    headers["content-range"] = f"bytes {first}-{last}/{len(film)}"
    return Answer(status=206, body=film[first : last + 1], media_type=media_type, headers=headers)
