"""One video by itself: plan it, submit it, wait for it, download it; or all of that in one go.

The same walk as a catalogue's, a stretch at a time, on the ledger that the block names. Submitting
buys; waiting and downloading never do, whatever has become of the job meanwhile.
Knows no Prefect: a block is whatever has the methods of `Vendor`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Protocol

from omnihuman_blocks import errors
from omnihuman_blocks.domain import planning
from omnihuman_blocks.domain.invocation import Invocation
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.lifecycle import HAS_TICKET, Stage
from omnihuman_blocks.domain.pricing import UNKNOWN_CHARGE, upper_bound
from omnihuman_blocks.domain.row import Row
from omnihuman_blocks.edges.ledger import JobState
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.errors import (
    CannotStart,
    InDoubt,
    InvalidRow,
    OmniHumanError,
    Refused,
    Transient,
)
from omnihuman_blocks.loop.shared import shared
from omnihuman_blocks.providers import room
from omnihuman_blocks.videos import VideoClip, VideoJob, VideoReady, VideoTicket
from omnihuman_blocks.walk.accounts import Seller
from omnihuman_blocks.walk.house import House
from omnihuman_blocks.walk.opening import MOST_BYTES, Setting, open_house
from omnihuman_blocks.walk.order import Shop, offers
from omnihuman_blocks.walk.walker import Ending, Errand, walk

UNTIL_BOUGHT = HAS_TICKET
UNTIL_READY = frozenset(
    {Stage.READY, Stage.DONE, Stage.SPOILED, Stage.OPEN, Stage.FAILED, Stage.IN_DOUBT}
)
UNTIL_HERE = frozenset({Stage.SPOILED, Stage.OPEN, Stage.FAILED, Stage.IN_DOUBT})


class Vendor(Protocol):
    """What is needed of a block."""

    @property
    def vendor(self) -> str: ...
    @property
    def version(self) -> str: ...
    def setting(self) -> Setting: ...
    def seller(self, agreed_price: None = None, max_in_flight: None = None) -> Seller: ...
    def wishes(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A video as somebody asks for it. Relative addresses start at the working directory."""

    image: str
    audio: str
    mask: str | None = None
    variant: int = 1
    wishes: Mapping[str, object] = field(default_factory=dict)
    """Over those of the block."""


async def plan(vendor: Vendor, wanted: Wanted) -> VideoJob:
    """What would be bought, examined, checked and priced. Costs nothing.

    A wish that the model cannot honour is refused: nobody reads a plan before one video is bought.
    """
    house = await house_of(vendor)
    row = _row(vendor, wanted)
    media = await _examined(house, vendor, row)
    seller = vendor.seller()
    shop = Shop(
        default=vendor.vendor,
        sellers={vendor.vendor: seller},
        defaults={vendor.vendor: vendor.wishes()},
        versions={vendor.vendor: vendor.version},
        store=None if house.store is None else house.store.place,
    )
    circumstances = planning.Circumstances(
        offers=offers(shop, Invocation()), media=media, strict=True
    )
    (line,) = planning.plan([row], circumstances).rows
    if line.rejections:
        first = line.rejections[0]
        raise InvalidRow(" ".join(each.reason for each in line.rejections), first.column)
    (part,) = line.parts
    job = part.job
    if job.options.content().get("number_results", 1) != 1:
        raise InvalidRow("One job is one video. Ask for takes by `variant`.", "number_results")
    return VideoJob(
        key=job.key,
        provider=job.provider,
        model=job.model,
        image=job.image,
        audio=job.audio,
        mask=job.mask,
        options=job.options.model_dump(mode="json", exclude_none=True),
        variant=job.variant,
        quote_usd=part.quote,
    )


async def submit(vendor: Vendor, job: VideoJob, *, again: bool = False) -> VideoTicket:
    """Buys it, unless it is bought already: the ledger knows, whoever asks and how often.

    `again` buys a failed job once more, as a new attempt, where the last one cost nothing.
    """
    state = await _walked(vendor, job, again=again, until=UNTIL_BOUGHT)
    return VideoTicket(job=job, attempt=state.attempt, ticket=_ticket(state))


async def wait(vendor: Vendor, ticket: VideoTicket) -> VideoReady:
    """Waits until the vendor has made it. Buys nothing."""
    state = await _walked(vendor, ticket.job, until=UNTIL_READY)
    if not state.outputs:
        raise errors.BadDelivery("The vendor finished it and named no video.")
    return VideoReady(
        job=ticket.job,
        attempt=state.attempt,
        ticket=_ticket(state),
        address=state.outputs[0].url,
    )


async def download(vendor: Vendor, ready: VideoReady | VideoTicket) -> VideoClip:
    """Fetches it, decodes it to its end and compares it with its audio. Buys nothing."""
    return await _clip(vendor, ready.job, await _walked(vendor, ready.job, until=UNTIL_HERE))


async def generate(vendor: Vendor, job: VideoJob, *, again: bool = False) -> VideoClip:
    """The whole way."""
    return await _clip(vendor, job, await _walked(vendor, job, again=again))


async def house_of(vendor: Vendor) -> House:
    """The house of a block on this event loop: one for all that use the same settings."""
    setting, seller = vendor.setting(), vendor.seller()
    account = seller.account
    same = (
        *(setting.results, setting.ledger, setting.patience_seconds),
        *(setting.media_store, setting.media_store_public),
        *(seller.name, account.fingerprint, tuple(account.addresses.items())),
        *(seller.agreed_price, seller.max_in_flight),
    )
    return await shared(
        ("house of a block", *same), partial(open_house, setting, load_block=lambda _: vendor)
    )


# --- planning ---------------------------------------------------------------------------------


def _row(vendor: Vendor, wanted: Wanted) -> Row:
    return Row(
        script_id=wanted.audio,
        locale="und",
        avatar_id=wanted.image,
        variant=wanted.variant,
        image_uri=wanted.image,
        audio_uri=wanted.audio,
        mask_uri=wanted.mask,
        provider=vendor.vendor,
        wishes=dict(wanted.wishes),
    )


async def _examined(
    house: House, vendor: Vendor, row: Row
) -> dict[tuple[MediaKind, str], Media | InvalidRow]:
    local = vendor.seller().account.is_local
    read = partial(house.http.read, local=local, most=MOST_BYTES)
    examiner = Examiner(read=read, pool=house.pool)
    found: dict[tuple[MediaKind, str], Media | InvalidRow] = {}
    for kind, uri in (
        (MediaKind.IMAGE, row.image_uri),
        (MediaKind.AUDIO, row.audio_uri),
        (MediaKind.MASK, row.mask_uri),
    ):
        if uri is not None:
            try:
                found[kind, uri] = await examiner.examine(uri, kind, Path.cwd())
            except InvalidRow as problem:
                found[kind, uri] = problem
    return found


# --- walking ----------------------------------------------------------------------------------


async def _walked(
    vendor: Vendor, job: VideoJob, *, again: bool = False, until: Collection[Stage] = ()
) -> JobState:
    """Where the job stands after the stretch; raises where that is not the end of it."""
    house = await house_of(vendor)
    price = house.desk(job.provider).seller.price_of(job.model)
    errand = Errand(
        job=job.as_job(),
        bound=upper_bound(price, job.audio.seconds or Decimal(0)),
        again=again,
    )
    house.desk(job.provider).gate.reopen()
    ending = await walk(house, errand, until=until)
    state = await house.book(house.ledger.state, job.key)
    enough = (frozenset(until) & HAS_TICKET | {Stage.DONE}) - {Stage.SPOILED}
    if state is not None and state.stage in enough:
        return state
    raise await _why_not(house, ending, state)


async def _why_not(house: House, ending: Ending, state: JobState | None) -> OmniHumanError:
    """Why it went no further, in the class that the ledger or the walk has named."""
    short = ending.key[:12]
    if state is not None and state.stage is Stage.IN_DOUBT:
        return await _doubt(house, state)
    if state is not None and state.stage in (Stage.FAILED, Stage.SPOILED):
        return _noted(state)
    if ending.error_class is not None:
        return _error(ending.error_class, ending.error_message or ending.error_class)
    if state is None or state.stage is Stage.OPEN:
        return CannotStart(
            f"Job {short} is not bought as far as ledger {house.ledger.address} knows. Use the "
            "block with which it was submitted, or submit it."
        )
    if state.stage is Stage.INTENDED:
        return Transient(f"Another process is buying job {short} at this moment. Run it again.")
    return Transient(
        f"{room(state.provider).TITLE} has not finished job {short} within "
        f"{house.patience_seconds:g} s, or its file cannot be fetched now. Its ticket is kept: run "
        "it again to go on waiting."
    )


async def _doubt(house: House, state: JobState) -> InDoubt:
    vendor = room(state.provider)
    doubts = await house.book(house.ledger.in_doubt, [state.key])
    said = f" ({doubts[0].said})" if doubts and doubts[0].said else ""
    return InDoubt(
        f"Job {state.key} may have been bought from {vendor.TITLE}, and its answer was lost{said}. "
        f"It is held and not bought again. {vendor.LOST_ANSWER.remedy}"
    )


def _noted(state: JobState) -> OmniHumanError:
    note = state.error
    if note is None:
        return OmniHumanError(f"Job {state.key[:12]} failed, and nobody said why.")
    return _error(note.name, note.message, note.code)


def _error(name: str, message: str, code: str | None = None) -> OmniHumanError:
    named = getattr(errors, name, None)
    if named is Refused:
        return Refused(message, code)
    if isinstance(named, type) and issubclass(named, OmniHumanError):
        return named(message)
    return OmniHumanError(message)


def _ticket(state: JobState) -> str:
    if state.ticket is None:
        raise OmniHumanError(f"Job {state.key} has a stage without a ticket: {state.stage}.")
    return state.ticket.id


async def _clip(vendor: Vendor, job: VideoJob, state: JobState) -> VideoClip:
    house = await house_of(vendor)
    clip, charge = state.clip, state.charge or UNKNOWN_CHARGE
    if clip is None:
        raise OmniHumanError(f"Job {state.key} is done and the ledger names no file.")
    return VideoClip(
        job=job,
        attempt=state.attempt,
        ticket=_ticket(state),
        path=str(house.folder / Path(clip.file).name),
        sha256=clip.sha256,
        size=clip.size,
        seconds=clip.seconds or Decimal(0),
        width=clip.width or 0,
        height=clip.height or 0,
        cost_usd=charge.usd,
        cost_basis=charge.basis,
    )
