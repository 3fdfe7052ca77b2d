"""Money is set aside by the very transaction that writes an intent, and by no other."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from omnihuman_blocks.domain.job import Job
from omnihuman_blocks.edges.ledger import Already, HeldByOther, Intended, Ledger, Wish


def test_who_gets_no_claim_sets_nothing_aside(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    bought: Callable[..., Intended],
) -> None:
    """Neither a second asker nor one who comes after the purchase counts in any cap."""
    held, sold = make_job(), make_job()
    ledger.intend(make_wish(held))
    bought(ledger, sold)
    before = ledger.counters()
    assert {counter.reserved_usd for counter in before} == {Decimal(3)}
    assert isinstance(ledger.intend(make_wish(held)), HeldByOther)
    assert isinstance(ledger.intend(make_wish(sold)), Already)
    assert ledger.counters() == before
