"""The last step of a walk: fetch what was bought, decode it to its end, and keep it if it is right.

A file that is not right is fetched again from a fresh address, never bought again. What stays
wrong is written down as spoiled, with the evidence, and is kept aside for whoever wants to see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TypeVar

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.checks import ClipFacts, Figures, verify
from omnihuman_blocks.domain.job import Bill, Job
from omnihuman_blocks.domain.lifecycle import Impossible, Stage
from omnihuman_blocks.domain.pricing import UNKNOWN_CHARGE, Charge, settle
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.edges import delivery
from omnihuman_blocks.edges.ledger import Clip, JobState
from omnihuman_blocks.errors import BadDelivery, Refused, Transient
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.buying import heed
from omnihuman_blocks.walk.house import Desk, House

T = TypeVar("T")

LOOKS = 3
"""How often the vendor is asked for a fresh address before its file is called spoiled."""
READ_TRIES = 6
SUFFIXES: dict[object, delivery.Suffix] = {"WEBM": "webm", "MOV": "mov"}


async def is_here(house: House, state: JobState) -> bool:
    """Whether a finished job's file still lies where it was put."""
    if state.clip is None:
        return False
    name = Path(state.clip.file).name
    if house.depot is None:
        return (house.folder / name).is_file()
    return await _in_pool(house, house.depot.has, name, state.clip.size)


async def fetch(house: House, desk: Desk, job: Job, state: JobState, *, last: bool) -> bool:
    """Brings the clip here. `last`: what is wrong now stays wrong. False: tried in vain for now."""
    house.board.tell(job.key, "fetching")
    look = _Look(house=house, job=job, last=last)
    try:
        delivered = await _received(house, desk, job, state, look)
    except Transient:
        return False
    except (Refused, BadDelivery) as error:
        wrong = error if isinstance(error, BadDelivery) else _gone(error, desk, state)
        if last:
            await _spoil(house, desk, state, wrong, look)
        else:
            house.passing(Border.BEFORE_ANOTHER_LOOK)
            await house.book(house.ledger.look_again, state.key, state.attempt, why=str(wrong))
            house.passing(Border.AFTER_ANOTHER_LOOK)
        return True
    return await _deliver(house, desk, job, state, delivered, look)


async def _deliver(  # noqa: PLR0917 - all that is known of it
    house: House,
    desk: Desk,
    job: Job,
    state: JobState,
    delivered: delivery.Delivered,
    look: _Look,
) -> bool:
    """Writes down that the file is here and is the right one."""
    facts, figures = look.found()
    clip = Clip(
        file=delivered.path.name,
        sha256=delivered.sha256,
        size=delivered.size,
        width=facts.width,
        height=facts.height,
        seconds=facts.video_seconds,
        likeness=facts.likeness,
    )
    charge = _late_charge(desk, job, state, facts.video_seconds)
    if not await _stored(house, delivered):
        return False
    house.passing(Border.BEFORE_DELIVERY)
    try:
        applied = await house.book(
            house.ledger.deliver,
            state.key,
            state.attempt,
            clip,
            checks=figures.as_json(),
            charge=charge,
        )
    except Impossible:
        return await _second(house, state, clip)
    house.passing(Border.AFTER_DELIVERY)
    await heed(desk, applied)
    return True


async def _stored(house: House, delivered: delivery.Delivered) -> bool:
    """Brings it to the depot, where there is one; False: tried in vain for now."""
    if house.depot is None:
        return True
    bring = partial(house.depot.bring, delivered.path, sha256=delivered.sha256)
    for tried in range(1, READ_TRIES + 1):
        try:
            await _in_pool(house, bring)
        except Transient as error:
            if tried < READ_TRIES:
                await house.rest(pacing.after_failure(tried, error.retry_after))
        else:
            delivered.path.unlink(missing_ok=True)
            return True
    return False


async def _in_pool(house: House, work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(house.pool, work, *arguments)


async def judge_again(house: House, desk: Desk, job: Job, state: JobState) -> bool:
    """Delivers a file that was kept aside, if it passes the checks as they are now. Costs nothing.

    A file that the checks were wrong about is paid: it is not bought again because of them.
    """
    final = delivery.clip_path(house.folder, job.key, _suffix(job))
    aside = final.with_name(f"{job.key}.rejected.{_suffix(job)}")
    # Whoever was killed between the two steps below has left it under its final name.
    kept = next((path for path in (aside, final) if path.is_file()), None)
    if kept is None:
        return False
    look = _Look(house=house, job=job, last=False)
    try:
        await look(kept)
    except BadDelivery:
        return False
    delivered = await asyncio.get_running_loop().run_in_executor(
        house.pool, delivery.put_back, kept, final
    )
    return await _deliver(house, desk, job, state, delivered, look)


@dataclass(kw_only=True)
class _Look:
    """What is seen in a file before it gets its name."""

    house: House
    job: Job
    last: bool
    """What is wrong now is kept aside, for whoever wants to see it."""
    facts: ClipFacts | None = None
    figures: Figures | None = None
    aside: Path | None = None

    async def __call__(self, path: Path) -> None:
        """Raises `BadDelivery` where it is not the video that was bought."""
        house, job = self.house, self.job
        house.passing(Border.AFTER_DOWNLOAD)
        audio = (await house.read_upload(job.audio)).content
        self.facts = await delivery.inspect(path, audio, pool=house.pool)
        verdict = verify(self.facts, job.audio.seconds or Decimal(0), house.thresholds)
        self.figures = Figures.of(self.facts, verdict)
        if self.last and not verdict.is_good:
            self.aside = delivery.put_aside(path, job.key, _suffix(job))
            house.passing(Border.PUT_ASIDE)
        verdict.enforce()
        house.passing(Border.BEFORE_RENAME)

    def found(self) -> tuple[ClipFacts, Figures]:
        """Of a file that was fetched."""
        assert self.facts is not None  # noqa: S101 - nothing gets its name unseen
        assert self.figures is not None  # noqa: S101
        return self.facts, self.figures

    def evidence(self) -> Json:
        """What was seen in the file that is kept aside."""
        if self.aside is None or self.facts is None:
            return None
        shown = {
            name: None if value is None else str(value)
            for name, value in asdict(self.facts).items()
        }
        return {"file": self.aside.name, **shown}


async def _second(house: House, state: JobState, clip: Clip) -> bool:
    """Another process was faster. Where its file had other bytes, ours now lies in its place."""
    now = await house.book(house.ledger.state, state.key)
    if now is not None and now.stage is Stage.DONE and _digest(now) != clip.sha256:
        why = "two processes fetched it at once, and it came with different bytes"
        await house.book(house.ledger.look_again, state.key, state.attempt, why=why)
    return True


async def _received(
    house: House, desk: Desk, job: Job, state: JobState, look: _Look
) -> delivery.Delivered:
    """The file on our disk; stumbles are tried again, an address that is gone is `Refused`."""
    if not state.outputs:
        raise BadDelivery("The vendor finished it and named no video.")
    for tried in range(1, READ_TRIES + 1):
        house.passing(Border.BEFORE_DOWNLOAD)
        try:
            return await delivery.fetch(
                state.outputs[0].url,
                folder=house.folder,
                key=job.key,
                open_address=lambda url: house.http.download(
                    url, local=desk.seller.account.is_local
                ),
                pool=house.pool,
                suffix=_suffix(job),
                most=delivery.largest(job.audio.seconds),
                look=look,
            )
        except Transient as error:
            if tried == READ_TRIES:
                raise
            await house.rest(pacing.after_failure(tried, error.retry_after))
    raise AssertionError(job.key)  # pragma: no cover - the last try returns or raises


def _gone(error: Refused, desk: Desk, state: JobState) -> BadDelivery:
    """An address that has expired, or that nobody should follow, in words to act on."""
    ticket = "" if state.ticket is None else f" {state.ticket.id}"
    return BadDelivery(
        f"{error}. {desk.seller.room.TITLE} was asked for another address of ticket{ticket}. If it "
        "gives none, what was paid is gone there: write to its support, or buy it again with "
        "`omnihuman retry DIR --only BadDelivery`."
    )


async def _spoil(
    house: House, desk: Desk, state: JobState, error: BadDelivery, look: _Look
) -> None:
    if house.depot is not None and look.aside is not None:
        with suppress(Transient):  # evidence is worth a try, and no more
            await _in_pool(house, house.depot.bring, look.aside)
    applied = await house.book(
        house.ledger.spoil,
        state.key,
        state.attempt,
        error,
        evidence=look.evidence(),
        checks=None if look.figures is None else look.figures.as_json(),
    )
    house.passing(Border.AFTER_SPOILING)
    await heed(desk, applied)


def _digest(state: JobState) -> str | None:
    return None if state.clip is None else state.clip.sha256


def _late_charge(desk: Desk, job: Job, state: JobState, seconds: Decimal) -> Charge | None:
    """By the length of what came, where the vendor said nothing about money."""
    if state.charge is not None and state.charge.usd is not None:
        return None
    price = desk.seller.price_of(job.model)
    charge = settle(Bill(seconds=seconds), price, None)
    return None if charge == UNKNOWN_CHARGE else charge


def _suffix(job: Job) -> delivery.Suffix:
    return SUFFIXES.get(job.options.content().get("output_format"), "mp4")
