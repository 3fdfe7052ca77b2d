"""An accepted job -> its video, or why there is none: media fetched, measured, limited, rendered.

This is the part of a vendor's model that can be told from outside. How long it takes is the
engine's business; what it refuses and in which words is the wire's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from omnihuman_blocks.sandbox.effects import Effect, Fails, Slower, Stuck
from omnihuman_blocks.sandbox.job import (
    Container,
    Failure,
    Job,
    Limits,
    MediumKind,
    Order,
    Problem,
    Trouble,
    fingerprint,
)
from omnihuman_blocks.sandbox.media import Library, Medium, Unreachable
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.sandbox.sounds import sound_format


class StudioLike(Protocol):
    """Who makes the videos."""

    async def render(
        self,
        *,
        image: bytes,
        audio: bytes,
        resolution: str = "720p",
        container: Container = "mp4",
        mask: bytes | None = None,
    ) -> bytes: ...
    async def audio_seconds(self, audio: bytes) -> float: ...
    def image_facts(self, image: bytes) -> tuple[str, int, int]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Made:
    """An outcome. `share` is how much of its usual time the model takes for it."""

    film: bytes | None = field(default=None, repr=False)
    failure: Failure | None = None
    share: float = 1.0


class Unmakeable(Exception):
    """The model will not make a video of this."""

    def __init__(
        self, medium: MediumKind, trouble: Trouble, said: str, **facts: float | list[str]
    ) -> None:
        super().__init__(said)
        self.problem = Problem(medium=medium, trouble=trouble, said=said, facts=facts)


@dataclass
class Maker:
    """Everything between an order and its video."""

    library: Library
    studio: StudioLike
    effects: Callable[[Job], tuple[Effect, ...]]
    """What is to go wrong with a job, asked once its media are known."""
    failure: Callable[[Vendor, Fails], Failure]
    _images: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    async def make(self, job: Job) -> Made | None:
        """The outcome; None for a job that is never to end."""
        order = job.order
        if order.refusal is not None:
            return Made(failure=order.refusal)
        try:
            mask = await self._fetch_all(job)
            effects = self.effects(job)
            if any(isinstance(effect, Stuck) for effect in effects):
                return None
            await self._look(job)
            await self._listen(job)
            for effect in effects:
                if isinstance(effect, Fails):
                    return Made(failure=self.failure(order.vendor, effect), share=effect.after)
            slower = [effect.factor for effect in effects if isinstance(effect, Slower)]
            film = await self._render(job, mask)
            return Made(film=film, share=slower[0] if slower else 1.0)
        except Unmakeable as error:
            return Made(failure=order.explain(error.problem))
        except RuntimeError as error:  # the studio's own trouble
            fails = Fails(failure="internal", message=str(error))
            return Made(failure=self.failure(order.vendor, fails))

    def at_hand(self, order: Order) -> dict[MediumKind, Medium]:
        """The inputs that can be had without asking anybody."""
        found: dict[MediumKind, Medium] = {}
        for kind, address in order.addresses.items():
            try:
                medium = self.library.at_hand(address, order.base)
            except Unreachable:
                continue
            if medium is not None:
                found[kind] = medium
        return found

    async def _fetch_all(self, job: Job) -> Medium | None:
        for kind, address in job.order.addresses.items():
            if kind in job.inputs:
                continue
            try:
                job.inputs[kind] = await self.library.fetch(address, job.order.base)
            except Unreachable as error:
                raise Unmakeable(kind, "unreachable", str(error)) from error
        job.fingerprint = fingerprint(job.order, job.inputs)
        return job.inputs.get("mask")

    async def _look(self, job: Job) -> None:
        image, limits = job.inputs["image"], job.order.limits
        facts = self._images.get(image.digest)
        if facts is None:
            try:
                facts = await asyncio.to_thread(self.studio.image_facts, image.data)
            except ValueError as error:
                raise Unmakeable("image", "unreadable", str(error)) from error
            self._images[image.digest] = facts
        form, width, height = facts
        if limits.image_formats is not None and form not in limits.image_formats:
            raise Unmakeable("image", "format", form, supported=sorted(limits.image_formats))
        if limits.image_bytes is not None and len(image.data) > limits.image_bytes:
            said = f"{len(image.data)} bytes"
            raise Unmakeable("image", "too_large", said, max_size=limits.image_bytes)
        _check_sides(limits, width, height)

    async def _listen(self, job: Job) -> None:
        audio, limits = job.inputs["audio"], job.order.limits
        form = sound_format(audio.data)
        if limits.audio_formats is not None and form not in limits.audio_formats:
            raise Unmakeable("audio", "format", form, supported=sorted(limits.audio_formats))
        try:
            job.seconds = seconds = await self.studio.audio_seconds(audio.data)
        except ValueError as error:
            raise Unmakeable("audio", "unreadable", str(error)) from error
        finally:
            job.measured.set()
        most = limits.audio_seconds
        if most is None or seconds < most or (seconds == most and limits.audio_seconds_included):
            return
        raise Unmakeable("audio", "too_long", f"{seconds:.2f} s", most=most, seconds=seconds)

    async def _render(self, job: Job, mask: Medium | None) -> bytes:
        try:
            return await self.studio.render(
                image=job.inputs["image"].data,
                audio=job.inputs["audio"].data,
                resolution=job.order.resolution,
                container=job.order.container,
                mask=mask.data if mask else None,
            )
        except ValueError as error:
            raise Unmakeable("audio", "unreadable", str(error)) from error


def _check_sides(limits: Limits, width: int, height: int) -> None:
    if limits.image_sides is None:
        return
    least, most = limits.image_sides
    said = f"{width}x{height}"
    if min(width, height) < least:
        raise Unmakeable("image", "too_small", said, min_width=least, min_height=least)
    if max(width, height) > most:
        raise Unmakeable("image", "too_large", said, max_width=most, max_height=most)
