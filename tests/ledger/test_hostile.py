"""Clocks that jump, and a ledger that is taken away from under its users."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger import (
    HeldByOther,
    Intended,
    Ledger,
    LedgerUnusable,
    Wish,
    store,
)
from omnihuman_blocks.edges.ledger.leases import Leases
from omnihuman_blocks.edges.ledger.records import LONG_AGO
from omnihuman_blocks.errors import InDoubt, Transient

HOUR = timedelta(hours=1)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the clock of this machine, as the ledger reads it, forward or back."""
    ahead = timedelta(0)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    def set_it(by: timedelta) -> None:
        nonlocal ahead
        ahead = by
        monkeypatch.setattr(store, "datetime", Shifted)

    return set_it


def test_a_clock_set_forward_ends_a_lease_for_the_others_and_buys_nothing_twice(
    tmp_path: Path,
    make_wish: Callable[..., Wish],
    ticket: Callable[..., object],
    set_clock: Callable[[timedelta], None],
) -> None:
    """They take the claim over, which sends nothing; the owner's ticket is believed after all."""
    with Ledger.open(tmp_path / "l.db") as mine, Ledger.open(tmp_path / "l.db") as other:
        claim = mine.intend(make_wish())
        assert isinstance(claim, Intended)
        set_clock(HOUR)
        (orphan,) = other.orphans()
        doubt = other.take_over(orphan)
        assert doubt is not None
        assert doubt.age >= HOUR
        assert mine.accept(claim, ticket()).stage is Stage.ACCEPTED  # type: ignore[arg-type]


def test_a_clock_set_forward_ends_the_owners_own_belief() -> None:
    """It has not sent yet, and will not: by its wall clock the lease is over, too."""
    wall, steady = [1000.0], [1.0]
    leases = Leases(180.0, wall_clock=lambda: wall[0], steady_clock=lambda: steady[0])
    leases.hold(1, leases.begin())
    wall[0] += 3600
    assert leases.left(1) == 0.0


def test_a_clock_set_back_prolongs_no_owners_belief(
    tmp_path: Path, make_wish: Callable[..., Wish], set_clock: Callable[[timedelta], None]
) -> None:
    """The owner counts on a clock that nobody sets; for the others it is held longer, no more."""
    wall, steady = [1000.0], [1.0]
    leases = Leases(180.0, wall_clock=lambda: wall[0], steady_clock=lambda: steady[0])
    leases.hold(1, leases.begin())
    wall[0] -= 3600
    steady[0] += 181
    assert leases.left(1) == 0.0
    with Ledger.open(tmp_path / "l.db") as mine, Ledger.open(tmp_path / "l.db") as other:
        wish = make_wish()
        assert isinstance(mine.intend(wish), Intended)
        set_clock(-HOUR)
        assert other.orphans() == []
        assert isinstance(other.intend(wish), HeldByOther)


def test_a_doubt_whose_age_the_clock_hides_is_old(
    ledger: Ledger, make_wish: Callable[..., Wish], set_clock: Callable[[timedelta], None]
) -> None:
    """Only a fresh one may be sent again under its own id; who set the clock back cannot make it
    fresh. On a server the server's clock counts, and this machine's does not matter."""
    claim = ledger.intend(make_wish())
    assert isinstance(claim, Intended)
    ledger.lose(claim, InDoubt("no answer"))
    (doubt,) = ledger.in_doubt()
    assert doubt.age < timedelta(seconds=30)
    set_clock(-HOUR)
    (doubt,) = ledger.in_doubt()
    on_server = "://" in ledger.address
    assert doubt.age < timedelta(seconds=30) if on_server else doubt.age == LONG_AGO


@pytest.mark.parametrize("replaced", [False, True])
def test_a_ledger_that_is_taken_away_in_use_buys_no_more(
    tmp_path: Path,
    make_wish: Callable[..., Wish],
    ticket: Callable[..., object],
    *,
    replaced: bool,
) -> None:
    """Others would found a new one and buy all of it again beside us. What was begun is ended."""
    file = tmp_path / "ledger.db"
    with Ledger.open(file) as ledger:
        claim = ledger.intend(make_wish())
        assert isinstance(claim, Intended)
        for each in tmp_path.glob("ledger.db*"):
            each.unlink()
        if replaced:
            Ledger.open(file).close()
        with pytest.raises(LedgerUnusable, match=r"ledger\.db was deleted or replaced.*rebuild"):
            ledger.intend(make_wish())
        assert ledger.accept(claim, ticket()).stage is Stage.ACCEPTED  # type: ignore[arg-type]


def test_a_ledger_that_is_put_back_goes_on(tmp_path: Path, make_wish: Callable[..., Wish]) -> None:
    """Moved away by mistake and back again: the same file, so nothing was lost."""
    file = tmp_path / "ledger.db"
    with Ledger.open(file) as ledger:
        first = ledger.intend(make_wish())
        assert isinstance(first, Intended)
        ledger.turn_away(first, Transient("later"))
        file.rename(tmp_path / "elsewhere.db")
        with pytest.raises(LedgerUnusable, match="deleted or replaced"):
            ledger.intend(make_wish())
        (tmp_path / "elsewhere.db").rename(file)
        assert isinstance(ledger.intend(make_wish()), Intended)
        assert ledger.totals().intents == 2
