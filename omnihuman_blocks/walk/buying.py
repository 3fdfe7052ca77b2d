"""The steps of a walk around money: buy, and stand by while another process buys.

Two commits stand around one request. From the first to the second nothing cancels: whoever wants
to stop closes the gate and waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.job import Job, MediaKind, Submission, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.wire import HttpCall, Json
from omnihuman_blocks.edges.ledger import (
    Alarm,
    Applied,
    HeldByOther,
    Intended,
    JobState,
    LedgerUnusable,
    Wish,
    new_token,
)
from omnihuman_blocks.errors import (
    AccountBlocked,
    InDoubt,
    OmniHumanError,
    OverBudget,
    Refused,
    Transient,
)
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.bringing import address_for
from omnihuman_blocks.walk.calls import callback_address
from omnihuman_blocks.walk.house import Desk, House

ANSWER_WITHIN = 60.0
"""Seconds for a vendor to answer a purchase. Its lease is three times as long."""
LEASE_MARGIN = 5.0
STAND_BY_SECONDS = 1.0
LONGEST_STAND_BY = 600.0
LONGEST_TEXT = 2000
"""What is longer in a request is media written into an address; the ledger keeps its beginning."""
LEDGER_TRIES = 30
"""About a quarter of an hour for a full disk to be emptied or a server to come back."""

LOG = logging.getLogger(__name__)

E = TypeVar("E", Ticket, OmniHumanError)


async def buy(house: House, desk: Desk, job: Job, attempt: int, bound: Decimal | None) -> int:
    """Buys one attempt, waiting its turn where the vendor has too much to do. How many it bought.

    Raises `GateClosed`, `OverBudget`, and `Transient` where the vendor could not be reached for
    as long as we are patient. What became of the purchase itself stands in the ledger.
    """
    submission = await _submission(house, desk, job, attempt)
    began, tries = time.monotonic(), 0
    while True:
        desk.gate.check()
        house.board.tell(job.key, "buying")
        token = new_token()
        sent = replace(submission, callback=callback_address(house, desk, job, token))
        call = desk.seller.room.submission_call(sent)
        wish = Wish(
            submission=_for_the_ledger(sent),
            upper_bound=bound,
            invocation=house.invocation,
            body=_shortened(call.json),
            callback_token=token,
        )
        purchase = asyncio.ensure_future(_purchase(house, desk, sent, call, wish))
        turned_away = await _uncancelled(purchase)
        if not isinstance(turned_away, Transient):
            return turned_away
        tries += 1
        if time.monotonic() - began > house.patience_seconds:
            raise turned_away
        house.board.tell(job.key, "waiting")
        await house.rest(pacing.after_failure(tries, turned_away.retry_after))


async def _uncancelled(purchase: asyncio.Future[int | Transient]) -> int | Transient:
    """Waits for a purchase even while we are told to stop, and stops after it."""
    try:
        return await asyncio.shield(purchase)
    except asyncio.CancelledError:
        await asyncio.wait([purchase])
        raise


async def _purchase(
    house: House, desk: Desk, submission: Submission, call: HttpCall, wish: Wish
) -> int | Transient:
    """Intent, request, answer, ticket. How many were bought, or why it is not the time."""
    house.passing(Border.BEFORE_INTENT)
    claim = await house.book(house.ledger.intend, wish)
    house.passing(Border.AFTER_INTENT)
    if isinstance(claim, HeldByOther):
        await asyncio.sleep(STAND_BY_SECONDS)
        return 0
    if not isinstance(claim, Intended):
        return 0
    try:
        ticket = await _send(house, desk, submission, call, claim)
    except OmniHumanError as error:
        return await _not_sold(house, desk, claim, error)
    except BaseException as error:
        # What was sent was sent, so it is in doubt like a lost answer.
        stopped = isinstance(error, asyncio.CancelledError)
        why = "somebody who could not wait" if stopped else f"an error of ours: {error!r}"
        doubt = InDoubt(f"The purchase was sent, and its answer was cut off by {why}.")
        await _write(house, desk, house.ledger.lose, claim, doubt)
        raise
    house.passing(Border.AFTER_ANSWER)
    await _write(house, desk, house.ledger.accept, claim, ticket)
    house.passing(Border.AFTER_TICKET)
    desk.gate.accepted()
    return 1


async def _send(
    house: House, desk: Desk, submission: Submission, call: HttpCall, claim: Intended
) -> Ticket:
    """The one request that costs money. Its answer is waited for no longer than the claim holds."""
    within = min(ANSWER_WITHIN, house.ledger.still_mine(claim) - LEASE_MARGIN)

    def last_look() -> None:
        """Whoever slept or was stopped since the intent wakes up here, and sends nothing."""
        if within <= 0 or house.ledger.still_mine(claim) < within or desk.gate.closed is not None:
            raise Transient("The claim ran out, or the gate closed, before anything was sent.")

    last_look()
    house.passing(Border.BEFORE_REQUEST)
    return await house.http.buy(
        desk.seller.account,
        call,
        lambda reply: desk.seller.room.read_submission(reply, submission),
        within=within,
        last_look=last_look,
    )


async def _not_sold(
    house: House, desk: Desk, claim: Intended, error: OmniHumanError
) -> int | Transient:
    """Writes down why there is no ticket. The class of the error is the decision."""
    house.passing(Border.AFTER_NO)
    match error:
        case Transient():
            await _write(house, desk, house.ledger.turn_away, claim, error)
            house.passing(Border.NO_WRITTEN)
            desk.gate.turned_away()
            desk.gate.check()
            return error
        case AccountBlocked():
            desk.gate.close(error)  # before it is written down, which others would not wait for
            await _write(house, desk, house.ledger.turn_away, claim, error)
            house.passing(Border.NO_WRITTEN)
            desk.gate.check()
        case Refused():
            await _write(house, desk, house.ledger.refuse, claim, error)
            house.passing(Border.NO_WRITTEN)
        case _:
            doubt = error if isinstance(error, InDoubt) else InDoubt(str(error))
            stage = await _write(house, desk, house.ledger.lose, claim, doubt)
            house.passing(Border.NO_WRITTEN)
            if stage is Stage.IN_DOUBT:  # a callback may have been faster than the lost answer
                desk.gate.doubted(doubt)
    return 0


async def _write(
    house: House, desk: Desk, write: Callable[[Intended, E], Applied], claim: Intended, end: E
) -> Stage:
    """Writes the end of a purchase, again and again: behind a ticket there is a bill."""
    for tried in range(1, LEDGER_TRIES + 1):
        try:
            applied = await house.book(write, claim, end)
        except LedgerUnusable as error:
            if tried == LEDGER_TRIES:
                raise LedgerUnusable(
                    f"The end of a purchase could not be written down: {error} Keep this: job "
                    f"{claim.key}, attempt {claim.attempt}: {end}"
                ) from error
            if tried == 1:
                await house.close_gates(Transient(str(error)))
                LOG.warning(
                    "The end of a purchase waits to be written down: %s. It is tried again for a "
                    "quarter of an hour; mend it now, and do not end this process.",
                    error,
                )
            await asyncio.sleep(pacing.after_failure(tried, None))
        else:
            await heed(desk, applied)
            return applied.stage
    raise AssertionError(claim.key)  # pragma: no cover - the last try returns or raises


async def heed(desk: Desk, applied: Applied) -> None:
    """An alarm of the ledger closes the gate: our picture of this vendor's money is wrong."""
    if applied.alarm is Alarm.ABOVE_RESERVATION:
        desk.gate.close(
            OverBudget(
                f"{desk.seller.room.TITLE} charged more than was set aside: its price has changed. "
                f"Say what it costs now: --price {desk.seller.name}=USD_PER_SECOND"
            )
        )
    elif applied.alarm is Alarm.STRAY_TICKET:
        desk.gate.close(
            InDoubt(
                f"{desk.seller.room.TITLE} sold something that no attempt stands for. Look at it "
                "with `omnihuman status`."
            )
        )


async def stand_by(house: House, state: JobState) -> bool:
    """Somebody else holds the intent: wait for its end, or take it over once its owner is gone."""
    house.board.tell(state.key, "waiting")
    deadline = time.monotonic() + LONGEST_STAND_BY
    while time.monotonic() < deadline:
        for orphan in await house.book(house.ledger.orphans):
            if orphan.key == state.key:
                house.passing(Border.BEFORE_TAKEOVER)
                await house.book(house.ledger.take_over, orphan)
                house.passing(Border.AFTER_TAKEOVER)
                return True
        now = await house.book(house.ledger.state, state.key)
        if now is None or now.stage is not Stage.INTENDED:
            return True
        await house.rest(STAND_BY_SECONDS)
    return False


# --- what is sent, and what of it is kept -------------------------------------------------------


async def _submission(house: House, desk: Desk, job: Job, attempt: int) -> Submission:
    house.board.tell(job.key, "waiting")
    return Submission(
        job=job,
        attempt=attempt,
        image=await address_for(house, desk, job, job.image),
        audio=await address_for(house, desk, job, job.audio),
        mask=None if job.mask is None else await address_for(house, desk, job, job.mask),
    )


def _for_the_ledger(submission: Submission) -> Submission:
    """Media that are written into an address are kept by their digest, not again for each job."""
    media = {MediaKind.IMAGE: submission.job.image, MediaKind.AUDIO: submission.job.audio}
    changes = {
        kind.value: f"data:{media[kind].format};sha256,{media[kind].sha256}"
        for kind in media
        if getattr(submission, kind.value).startswith("data:")
    }
    return replace(submission, **changes) if changes else submission  # type: ignore[arg-type]


def _shortened(body: Json) -> Json:
    if isinstance(body, str):
        return body if len(body) <= LONGEST_TEXT else body[:64] + "…"
    if isinstance(body, list):
        return [_shortened(item) for item in body]
    if isinstance(body, dict):
        return {name: _shortened(value) for name, value in body.items()}
    return body
