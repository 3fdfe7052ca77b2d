"""Quote before, settle after; what is unknown stays unknown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain.job import Bill
from omnihuman_blocks.domain.pricing import (
    Charge,
    CostBasis,
    Price,
    quote,
    settle,
    settle_failure,
    upper_bound,
)

PRICE = Price(usd_per_second=Decimal("0.16"), as_of=date(2026, 9, 30), source="a price page")
PER_CREDIT = Decimal(1) / 2_000_000


def test_a_quote_is_length_times_price() -> None:
    """To the millionth of a dollar; an unknown price gives no quote, not a free one."""
    assert quote(PRICE, Decimal("12.345")) == Decimal("1.975200")
    assert quote(PRICE, Decimal(-1)) == 0
    assert quote(None, Decimal("12.345")) is None


def test_what_is_reserved_covers_rounding_up() -> None:
    """A vendor that bills whole seconds, or a video a few frames longer, stays inside."""
    assert upper_bound(PRICE, Decimal("12.345")) == Decimal("2.240000")
    assert upper_bound(PRICE, Decimal(12)) == Decimal("2.080000")
    assert upper_bound(PRICE, Decimal(-1)) == Decimal("0.160000")
    assert upper_bound(None, Decimal(12)) is None


@pytest.mark.parametrize(
    ("bill", "price", "per_credit", "charge"),
    [
        (
            Bill(usd=Decimal("1.3638"), credits=Decimal(9), seconds=Decimal(3)),
            PRICE,
            PER_CREDIT,
            Charge(usd=Decimal("1.363800"), basis=CostBasis.REPORTED),
        ),
        (
            Bill(credits=Decimal(5_880_000), seconds=Decimal(3)),
            PRICE,
            PER_CREDIT,
            Charge(usd=Decimal("2.940000"), basis=CostBasis.CREDITS),
        ),
        (
            Bill(credits=Decimal(5), seconds=Decimal("12.5")),
            PRICE,
            None,
            Charge(usd=Decimal("2.000000"), basis=CostBasis.DURATION),
        ),
        (Bill(seconds=Decimal(3)), None, None, Charge(usd=None, basis=CostBasis.UNKNOWN)),
        (Bill(), PRICE, PER_CREDIT, Charge(usd=None, basis=CostBasis.UNKNOWN)),
        (Bill(usd=Decimal(-1)), PRICE, None, Charge(usd=None, basis=CostBasis.UNKNOWN)),
    ],
)
def test_the_vendors_own_figure_comes_first(
    bill: Bill, price: Price | None, per_credit: Decimal | None, charge: Charge
) -> None:
    """Reported, else credits, else length times price, else unknown."""
    assert settle(bill, price, per_credit) == charge


def test_a_failure_is_free_only_where_the_vendor_says_so() -> None:
    """Silence about the charge is not zero."""
    assert settle_failure(charged=False) == Charge(usd=Decimal(0), basis=CostBasis.NOT_CHARGED)
    assert settle_failure(charged=True) == settle_failure(charged=None)
    assert settle_failure(charged=None).usd is None


numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=6)


@given(seconds=numbers, rate=st.decimals(min_value=0, max_value=1000, places=6))
def test_no_job_costs_more_than_what_is_reserved_for_it(seconds: Decimal, rate: Decimal) -> None:
    """For any length and price: 0 <= quote <= upper bound, and rounding up by the second fits."""
    price = Price(usd_per_second=rate, as_of=date(2026, 1, 1), source="")
    low, high = quote(price, seconds), upper_bound(price, seconds)
    assert low is not None
    assert high is not None
    assert 0 <= low <= high
    rounded_up = quote(price, Decimal(-(-max(seconds, Decimal(0)) // 1)))
    assert rounded_up is not None
    assert rounded_up <= high


amounts = st.none() | st.decimals(min_value=-(10**18), max_value=10**18, places=6)


@given(usd=amounts, credits_=amounts, seconds=amounts, priced=st.booleans())
def test_a_charge_is_unknown_or_not_negative(
    *, usd: Decimal | None, credits_: Decimal | None, seconds: Decimal | None, priced: bool
) -> None:
    """Whatever a vendor says, the ledger never earns money, and None means exactly unknown."""
    bill = Bill(usd=usd, credits=credits_, seconds=seconds)
    charge = settle(bill, PRICE if priced else None, PER_CREDIT)
    assert (charge.usd is None) == (charge.basis is CostBasis.UNKNOWN)
    assert charge.usd is None or charge.usd >= 0
