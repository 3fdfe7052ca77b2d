"""Caps: what may be spent at most, per invocation, per vendor, per day (UTC)."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from omnihuman_blocks.edges.ledger.money import to_micro, to_usd
from omnihuman_blocks.edges.ledger.records import Counter
from omnihuman_blocks.edges.ledger.schema import caps, counters
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction
from omnihuman_blocks.errors import CannotStart


class Caps(Chapter):
    """Setting caps and looking at what is left of them."""

    def set_budget(self, invocation: str, usd: Decimal | None) -> None:
        """What one invocation may add; None: as much as the standing caps allow."""
        self._set(f"budget:{invocation}", usd)

    def set_cap(
        self, usd: Decimal | None, *, vendor: str | None = None, per_day: bool = False
    ) -> None:
        """A standing cap; None lifts it. Holds for every purchase from now on.

        With neither vendor nor day there is nothing that it could be a cap of.
        """
        if vendor is None and not per_day:
            raise CannotStart("A standing cap is per day, for a vendor, or both. Say which.")
        if vendor is None:
            self._set("day", usd)
        else:
            self._set(f"vendor-day:{vendor}" if per_day else f"vendor:{vendor}", usd)

    def caps(self) -> dict[str, Decimal]:
        """Every cap by its rule."""
        rows = self._store.read(lambda tx: tx.run(sa.select(caps).order_by(caps.c.rule)).all())
        return {row.rule: to_usd(row.cap_micro) for row in rows}

    def counters(self) -> list[Counter]:
        """What was spent and set aside, in every scope that ever counted."""
        return self._store.read(_counters)

    def _set(self, rule: str, usd: Decimal | None) -> None:
        if usd is not None and not (usd.is_finite() and usd >= 0):
            raise CannotStart(f"A cap must be an amount of dollars of 0 or more, not {usd}")
        if usd is None:
            self._store.write(lambda tx: tx.run(sa.delete(caps).where(caps.c.rule == rule)))
        else:
            row = {"rule": rule, "cap_micro": to_micro(usd)}
            self._store.write(lambda tx: tx.upsert(caps, row))


def _counters(tx: Transaction) -> list[Counter]:
    joined = counters.outerjoin(caps, caps.c.rule == counters.c.rule)
    rows = tx.run(
        sa.select(counters, caps.c.cap_micro).select_from(joined).order_by(counters.c.scope)
    )
    return [
        Counter(
            scope=row.scope,
            rule=row.rule,
            spent_usd=to_usd(row.spent_micro),
            reserved_usd=to_usd(row.reserved_micro),
            cap_usd=None if row.cap_micro is None else to_usd(row.cap_micro),
        )
        for row in rows
    ]
