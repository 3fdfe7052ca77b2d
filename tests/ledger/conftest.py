"""Ledgers on SQLite and on a PostgreSQL of the test run's own."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from omnihuman_blocks.domain.job import Job, JobKey, Media, MediaKind, Submission, Ticket
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.edges.ledger import Intended, Ledger, Wish
from omnihuman_blocks.edges.ledger.engines import SCHEMA
from omnihuman_blocks.edges.ledger.schema import METADATA
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings

_NUMBERS = itertools.count(1)
KINDS = ("sqlite", "postgresql")
USD = Decimal("1.50")


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be founded: a file, then a server."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    found: str = request.getfixturevalue("database")
    return found


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    with Ledger.open(address) as opened:
        yield opened


@pytest.fixture
def many_ledgers(
    tmp_path: Path, postgres: str, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Ledger]]:
    """Empty ledgers of either kind, one after the other: for tests that play many games."""
    played: dict[str, Ledger] = {}

    def empty(kind: str) -> Ledger:
        if kind == "sqlite":
            if kind in played:
                played[kind].close()
            played[kind] = Ledger.open(tmp_path / f"{next(_NUMBERS)}.db")
        elif kind in played:
            _empty(played[kind])
        else:
            played[kind] = Ledger.open(request.getfixturevalue("database"))
        return played[kind]

    yield empty
    for ledger in played.values():
        ledger.close()


def _empty(ledger: Ledger) -> None:
    """A new database takes a tenth of a second; emptying the one there is takes a hundredth."""
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in METADATA.sorted_tables)
    with ledger._store._writer.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role TO replica"))
        connection.execute(text(f"TRUNCATE {tables.replace(f'{SCHEMA}.schema_version, ', '')}"))
    ledger._store._enrolled = False


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """A job with a key of its own, or under a name."""

    def make(name: str | None = None, *, provider: str = "fal", seconds: str = "9.5") -> Job:
        key = f"{name or next(_NUMBERS):0>64}"
        image = Media(
            kind=MediaKind.IMAGE, uri="face.png", sha256="a" * 64, size=1000, format="png"
        )
        audio = Media(
            kind=MediaKind.AUDIO,
            uri="line.wav",
            sha256="b" * 64,
            size=2000,
            format="wav",
            seconds=Decimal(seconds),
        )
        return Job(
            key=JobKey(key),
            provider=provider,
            model="omnihuman/v1.5",
            image=image,
            audio=audio,
            options=Options(),
        )

    return make


@pytest.fixture
def make_wish(make_job: Callable[..., Job]) -> Callable[..., Wish]:
    """A wish for a new job, or for a given one."""

    def make(job: Job | None = None, *, attempt: int = 1, **more: Any) -> Wish:
        submission = Submission(
            job=job or make_job(),
            attempt=attempt,
            image="https://store.example/face.png",
            audio="https://store.example/line.wav",
        )
        more.setdefault("upper_bound", USD)
        more.setdefault("body", {"prompt": "smile", "seconds": Decimal("9.5")})
        return Wish(submission=submission, **more)

    return make


@pytest.fixture
def ticket() -> Callable[..., Ticket]:
    def make(name: str | None = None) -> Ticket:
        return Ticket(provider="fal", model="omnihuman/v1.5", id=name or f"ticket-{next(_NUMBERS)}")

    return make


@pytest.fixture
def bought(
    make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> Callable[..., Intended]:
    """Buys one job: intent and ticket."""

    def buy(ledger: Ledger, job: Job | None = None, **more: Any) -> Intended:
        claim = ledger.intend(make_wish(job, **more))
        assert isinstance(claim, Intended)
        ledger.accept(claim, ticket())
        return claim

    return buy


class Child:
    """A process of `child.py`."""

    def __init__(self, *arguments: str) -> None:
        script = Path(__file__).with_name("child.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self) -> str:
        """Its next word; it ending without one is a failure of the test."""
        assert self.process.stdout is not None
        word = self.process.stdout.readline().strip()
        assert word, f"the child ended with {self.process.wait(10)}"
        return word

    def hears(self, word: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, and its end is waited for."""
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts processes, and ends them after the test."""
    started: list[Child] = []

    def start(*arguments: str) -> Child:
        started.append(Child(*arguments))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def shop() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.002)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shop: Sandbox) -> Sandbox:
    shop.reset()
    return shop
