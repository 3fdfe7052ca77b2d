"""Caps are kept here: reserve before, settle after, release where nothing was charged.

A reservation is one conditional UPDATE of each counter that it counts in, inside the transaction
that writes the intent. Looking first and reserving then would let two buyers through at once.
Counters are always changed in the order of their names, so that two transactions on a server
cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from omnihuman_blocks.domain.pricing import MICRO, Charge, CostBasis, money
from omnihuman_blocks.edges.ledger.schema import caps, counters, jobs
from omnihuman_blocks.edges.ledger.store import Transaction
from omnihuman_blocks.errors import OverBudget

# Built once: building a statement takes SQLAlchemy longer than executing it.
CAP = sa.select(caps.c.cap_micro).where(caps.c.rule == sa.bindparam("of_rule")).scalar_subquery()
MICRO_USD = sa.bindparam("micro", type_=sa.BigInteger)
FITS = sa.or_(CAP.is_(None), counters.c.spent_micro + counters.c.reserved_micro + MICRO_USD <= CAP)
RESERVE = (
    sa.update(counters)
    .where(counters.c.scope == sa.bindparam("of_scope"), FITS)
    .values(reserved_micro=counters.c.reserved_micro + MICRO_USD)
)
COUNT = (
    sa.update(counters)
    .where(counters.c.scope == sa.bindparam("of_scope"))
    .values(
        reserved_micro=counters.c.reserved_micro + sa.bindparam("reserved", type_=sa.BigInteger),
        spent_micro=counters.c.spent_micro + sa.bindparam("spent", type_=sa.BigInteger),
    )
)


def to_micro(usd: Decimal) -> int:
    """Whole millionths of a dollar."""
    return int(money(usd) / MICRO)


def to_usd(micro: int) -> Decimal:
    return Decimal(micro) * MICRO


def shown(usd: Decimal | None) -> str | None:
    """An amount in an event's detail, as people write it: to the cent, finer where it is finer."""
    if usd is None:
        return None
    plain = f"{money(usd):f}"
    return plain[:-4] + plain[-4:].rstrip("0")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A counter, and the rule whose cap holds for it."""

    name: str
    rule: str
    words: str
    remedy: str


def scopes_of(provider: str, day: date, invocation: str | None) -> list[Scope]:
    """Every counter in which a purchase counts, in the order in which they are locked."""
    found = [
        Scope(
            name=f"day:{day}",
            rule="day",
            words="per day for all vendors",
            remedy="Raise it with `omnihuman ledger cap --per-day USD`, or wait for the next day "
            "(UTC)",
        ),
        Scope(
            name=f"vendor:{provider}",
            rule=f"vendor:{provider}",
            words=f"for {provider}",
            remedy=f"Raise it with `omnihuman ledger cap --vendor {provider} --total USD`",
        ),
        Scope(
            name=f"vendor-day:{provider}:{day}",
            rule=f"vendor-day:{provider}",
            words=f"per day for {provider}",
            remedy=f"Raise it with `omnihuman ledger cap --vendor {provider} --per-day USD`, or "
            "wait for the next day (UTC)",
        ),
    ]
    if invocation is not None:
        rule = f"budget:{invocation}"
        found.append(
            Scope(
                name=rule,
                rule=rule,
                words="of this invocation",
                remedy="Run again with a higher `--budget`",
            )
        )
    return sorted(found, key=lambda scope: scope.name)


def reserve(
    tx: Transaction, scopes: Sequence[Scope], upper_bound: Decimal | None, provider: str
) -> None:
    """Sets an upper bound aside in every scope, or raises `OverBudget`, which undoes them all."""
    if upper_bound is None:
        _refuse_unknown_price(tx, scopes, provider)
        return
    micro = to_micro(upper_bound)
    if micro < 0:
        raise ValueError(f"An upper bound of {upper_bound} is no amount of money")
    for scope in scopes:
        if _reserve_one(tx, scope, micro):
            continue
        tx.insert_missing(counters, {"scope": scope.name, "rule": scope.rule})
        if not _reserve_one(tx, scope, micro):
            raise _over(tx, scope, micro)


def _reserve_one(tx: Transaction, scope: Scope, micro: int) -> bool:
    """The guard of every cap: this row, if it still fits, and otherwise none."""
    asked = {"of_scope": scope.name, "of_rule": scope.rule, "micro": micro}
    return tx.run(RESERVE, asked).rowcount == 1


def _refuse_unknown_price(tx: Transaction, scopes: Sequence[Scope], provider: str) -> None:
    rules = [scope.rule for scope in scopes]
    capped = tx.run(sa.select(caps.c.rule).where(caps.c.rule.in_(rules))).scalars().all()
    if not capped:
        return
    words = " and ".join(scope.words for scope in scopes if scope.rule in capped)
    raise OverBudget(
        f"The price at {provider} is not known, so the cap {words} cannot be kept. Say what it "
        f"costs: `--price {provider}=USD_PER_SECOND`"
    )


def _over(tx: Transaction, scope: Scope, micro: int) -> OverBudget:
    row = tx.run(
        sa.select(counters.c.spent_micro, counters.c.reserved_micro, caps.c.cap_micro)
        .join(caps, caps.c.rule == counters.c.rule)
        .where(counters.c.scope == scope.name)
    ).one()
    return OverBudget(
        f"Buying this for up to ${to_usd(micro):.2f} would go over the cap {scope.words}: of "
        f"${to_usd(row.cap_micro):.2f}, ${to_usd(row.spent_micro):.2f} is spent and "
        f"${to_usd(row.reserved_micro):.2f} is set aside. {scope.remedy}."
    )


def release(tx: Transaction, row: sa.Row[Any]) -> dict[str, Any]:
    """Gives a reservation back; returns what changes in the attempt."""
    if row.held:
        count(tx, row.scopes, reserved=-row.reserved_micro, spent=0)
    return {"held": False}


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What changes in the attempt, and whether the charge is above what was set aside."""

    changes: dict[str, Any]
    is_above: bool = False


def settle(tx: Transaction, row: sa.Row[Any], charge: Charge | None) -> Settlement:
    """Puts the real charge in the place of the reservation.

    An unknown charge keeps the reservation and never takes the place of a known one. A charge is
    recorded whatever the caps say: it has been made.
    """
    if charge is None:
        return Settlement(changes={})
    if charge.usd is None:
        known = row.charge_micro is not None
        return Settlement(changes={} if known else {"cost_basis": CostBasis.UNKNOWN.value})
    micro = to_micro(charge.usd)
    is_news = micro != row.charge_micro
    scopes = row.scopes or _scopes_without_intent(tx, row)
    count(
        tx,
        scopes,
        reserved=-row.reserved_micro if row.held else 0,
        spent=micro - (row.charge_micro or 0),
    )
    return Settlement(
        changes={
            "held": False,
            "scopes": scopes,
            "charge_micro": micro,
            "cost_basis": charge.basis.value,
        },
        is_above=is_news and is_above_reservation(micro, row.reserved_micro),
    )


def is_above_reservation(charge_micro: int | None, reserved_micro: int | None) -> bool:
    """Whether an attempt cost more than what could be foreseen for it."""
    return charge_micro is not None and reserved_micro is not None and charge_micro > reserved_micro


def _scopes_without_intent(tx: Transaction, row: sa.Row[Any]) -> list[list[str]]:
    """A purchase that somebody adopted without our intent counts on the day of its charge."""
    provider = tx.run(sa.select(jobs.c.provider).where(jobs.c.key == row.job_key)).scalar_one()
    return written(scopes_of(provider, tx.now.date(), None))


def written(scopes: Sequence[Scope]) -> list[list[str]]:
    """The scopes as an attempt remembers them."""
    return [[scope.name, scope.rule] for scope in scopes]


def count(tx: Transaction, scopes: list[list[str]], *, reserved: int, spent: int) -> None:
    """Changes every counter of a purchase that was made, without asking any cap."""
    for name, rule in scopes:
        change = {"of_scope": name, "reserved": reserved, "spent": spent}
        if tx.run(COUNT, change).rowcount == 0:
            tx.insert_missing(counters, {"scope": name, "rule": rule})
            tx.run(COUNT, change)
