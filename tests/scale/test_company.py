"""Who of several processes begins a catalogue and who writes it, on both kinds of ledger."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from omnihuman_blocks.catalogue.sharding import Company
from omnihuman_blocks.edges.ledger import Ledger

WORKS = """
import sys
from omnihuman_blocks.catalogue.sharding import Company
from omnihuman_blocks.edges.ledger import Ledger
with Company(Ledger.open(sys.argv[1]), "place").arriving():
    pass
print("at work", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return str(request.getfixturevalue("database"))


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    with Ledger.open(address) as opened:
        yield opened


def arrive(company: Company) -> bool:
    with company.arriving() as is_first:
        return is_first


def leave(company: Company) -> bool:
    with company.leaving() as is_last:
        return is_last


def test_the_first_begins_and_the_last_writes(ledger: Ledger) -> None:
    """Whatever order they leave in; another catalogue on the same ledger is not waited for."""
    one, two, three = (Company(ledger, "place") for _ in range(3))
    elsewhere = Company(ledger, "elsewhere")
    assert [arrive(each) for each in (one, two, elsewhere, three)] == [True, False, True, False]
    assert [leave(each) for each in (two, one, three, elsewhere)] == [False, False, True, True]
    assert arrive(one)  # the next night begins anew
    assert leave(one)


def test_of_two_that_leave_at_once_one_is_the_last(ledger: Ledger) -> None:
    """The other has read the ledger, and has left, before the last one reads it."""
    one, two = Company(ledger, "place"), Company(ledger, "place")
    arrive(one)
    arrive(two)
    ends: list[bool] = []
    waits = Event()

    def other() -> None:
        waits.set()
        ends.append(leave(two))

    thread = Thread(target=other)
    with one.leaving() as is_last:
        thread.start()
        waits.wait()
        thread.join(0.2)  # nothing but its turn can hold it
        assert ends == []
        assert not is_last
    thread.join(30)
    assert ends == [True]


def test_who_is_killed_has_left(address: str, ledger: Ledger, until: Callable[..., Any]) -> None:
    """Nobody waits for the dead, and no lease has to run out."""
    company = Company(ledger, "place")
    arrive(company)
    with subprocess.Popen(
        [sys.executable, "-c", WORKS, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"at work\n"
        with ledger.turn("place") as turn:
            company.left()
            assert not turn.is_alone()
        arrive(company)
        other.kill()
        other.wait(30)
        assert leave(company)
