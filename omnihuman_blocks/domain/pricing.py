"""Quote before, settle after. Decimal only; an unknown price is unknown, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from enum import StrEnum

from omnihuman_blocks.domain.job import Bill

MICRO = Decimal("0.000001")
WHOLE = Decimal(1)


class CostBasis(StrEnum):
    """How a charge is known."""

    REPORTED = "reported"
    CREDITS = "credits"
    DURATION = "duration"
    NOT_CHARGED = "not_charged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars per second of video, where it was read and when. Prices rot: say how old they are."""

    usd_per_second: Decimal
    as_of: date
    source: str


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What a job cost and how that is known. `usd` is None exactly where the basis is unknown."""

    usd: Decimal | None
    basis: CostBasis


UNKNOWN_CHARGE = Charge(usd=None, basis=CostBasis.UNKNOWN)
NOT_CHARGED = Charge(usd=Decimal(0), basis=CostBasis.NOT_CHARGED)


def money(amount: Decimal) -> Decimal:
    """Rounded to a millionth of a dollar, which is how finely the ledger counts."""
    return amount.quantize(MICRO, rounding=ROUND_HALF_UP)


def quote(price: Price | None, seconds: Decimal) -> Decimal | None:
    """What a job of this length should cost; None where the price is not known."""
    return None if price is None else money(price.usd_per_second * max(seconds, Decimal(0)))


def upper_bound(price: Price | None, seconds: Decimal) -> Decimal | None:
    """What is reserved for a job: the next whole second, in case the vendor rounds up.

    One second more than the audio's own full seconds also covers the few frames by which a video
    outlasts its audio.
    """
    if price is None:
        return None
    whole = max(seconds, Decimal(0)).quantize(WHOLE, rounding=ROUND_CEILING) + 1
    return money(price.usd_per_second * whole)


def settle(bill: Bill, price: Price | None, usd_per_credit: Decimal | None) -> Charge:
    """The charge: the vendor's own figure first, else its credits, else length times price."""
    if bill.usd is not None:
        return _charge(bill.usd, CostBasis.REPORTED)
    if bill.credits is not None and usd_per_credit is not None:
        return _charge(bill.credits * usd_per_credit, CostBasis.CREDITS)
    if bill.seconds is not None and price is not None:
        return _charge(bill.seconds * price.usd_per_second, CostBasis.DURATION)
    return UNKNOWN_CHARGE


def settle_failure(*, charged: bool | None) -> Charge:
    """The charge of a job without a video: nothing where the vendor says so, else unknown."""
    return NOT_CHARGED if charged is False else UNKNOWN_CHARGE


def _charge(usd: Decimal, basis: CostBasis) -> Charge:
    return UNKNOWN_CHARGE if usd < 0 else Charge(usd=money(usd), basis=basis)
