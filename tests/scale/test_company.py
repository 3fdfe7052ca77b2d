"""Who of several processes begins a catalogue and who writes it, on both kinds of ledger."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.catalogue.sharding import Company, Whole, company_of
from omnihuman_blocks.domain.sharding import Shard
from omnihuman_blocks.edges.columns import CATALOGUE, FINGERPRINT
from omnihuman_blocks.edges.fingerprints import KIND
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.walk.order import Order

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


def test_who_walks_everything_waits_for_its_turn_and_for_nobody_else(ledger: Ledger) -> None:
    """It writes beside shards that are at work, and never while one of them writes."""
    shard, whole = Company(ledger, "place"), Whole(ledger, "place")
    arrive(shard)
    assert arrive(whole)
    ends: list[bool] = []
    thread = Thread(target=lambda: ends.append(leave(whole)))
    with ledger.turn("place"):
        thread.start()
        thread.join(0.2)
        assert ends == []
    thread.join(30)
    assert ends == [True]
    assert leave(shard)


@pytest.mark.parametrize("shard", ["1/1", "1/2"])
def test_a_ledger_that_is_missing_where_something_was_bought_is_not_founded(
    tmp_path: Path, shard: str
) -> None:
    """Whoever comes first: a shard of a deployment is not checked by any command before."""
    schema = pa.schema([*CATALOGUE, pa.field(FINGERPRINT, KIND)])
    lines = [{"row_id": "a", "state": "done", "attempts": 1}]
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), tmp_path / "catalogue.parquet")
    order = Order(
        scripts="s", avatars="a", results=str(tmp_path), provider="fal", shard=Shard.parse(shard)
    )
    with pytest.raises(CannotStart, match="rebuild"), company_of(order):
        pass
    assert not list(tmp_path.glob("ledger*"))


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
