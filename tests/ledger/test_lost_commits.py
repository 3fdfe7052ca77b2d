"""A connection that breaks at the commit: was it written or not? Either way it is written once.

A proxy stands between the ledger and its server. It either loses the commit itself, or lets it
through and loses the server's answer; the client cannot tell which.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from omnihuman_blocks.domain.job import Failed, Job, Output, Ready, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.edges.ledger import Alarm, Clip, Intended, Ledger, LedgerUnusable, Wish
from omnihuman_blocks.errors import InDoubt, Refused, Transient

SOCKET = ".s.PGSQL.5432"
READY = Ready(outputs=(Output(url="https://v/1.mp4"),))


class Proxy:
    """Passes bytes on until it is told to lose the next commit."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.server = server
        self.losing: str | None = None
        self.lost = 0
        self.broken = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.broken:
                    client.close()
                    continue
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(str(self.server / SOCKET))
                for pump in (self._asks, self._answers):
                    self._threads.append(threading.Thread(target=pump, args=(client, upstream)))
                    self._threads[-1].start()

    def _asks(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self.losing is not None and b"COMMIT\0" in data:  # not READ COMMITTED
                    self._lose(data, client, upstream)
                    return
                upstream.sendall(data)
        _hang_up(client, upstream)

    def _lose(self, data: bytes, client: socket.socket, upstream: socket.socket) -> None:
        """Hangs up on the client; the server hears the commit only where the answer is lost."""
        losing, self.losing = self.losing, None
        self.lost += 1
        client.shutdown(socket.SHUT_RDWR)
        if losing == "answer":
            upstream.sendall(data)
            # The server ends the session itself once it has done what it was asked.
            upstream.shutdown(socket.SHUT_WR)
        _hang_up(client) if losing == "answer" else _hang_up(client, upstream)

    def _answers(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(1 << 16):
                with suppress(OSError):
                    client.sendall(data)
        _hang_up(client, upstream)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    server = Path(parse_qs(urlsplit(database).query)["host"][0])
    with TemporaryDirectory(prefix="omnihuman-") as folder:
        standing = Proxy(Path(folder), server)
        yield standing
        standing.close()


@pytest.fixture
def behind(proxy: Proxy, database: str) -> Iterator[Ledger]:
    """A ledger behind the proxy."""
    folder = Path(str(proxy._listener.getsockname())).parent
    with Ledger.open(database.replace(str(proxy.server), str(folder)), patience_seconds=5) as it:
        yield it


LOSSES = pytest.mark.parametrize("losing", ["commit", "answer"])


@LOSSES
def test_an_intent_whose_commit_broke_is_one_intent(
    behind: Ledger, proxy: Proxy, make_wish: Callable[..., Wish], losing: str
) -> None:
    """One claim, one reservation, and the claim is ours: not `HeldByOther` because of ourselves."""
    behind.set_budget("inv", Decimal("1.50"))
    wish = make_wish(invocation="inv")
    proxy.losing = losing
    claim = behind.intend(wish)
    assert proxy.lost == 1
    assert isinstance(claim, Intended)
    assert behind.still_mine(claim) > 0
    assert behind.totals().intents == 1
    assert {c.reserved_usd for c in behind.counters()} == {Decimal("1.50")}


@LOSSES
def test_a_ticket_whose_commit_broke_is_written_once(
    behind: Ledger,
    proxy: Proxy,
    make_wish: Callable[..., Wish],
    ticket: Callable[..., Ticket],
    losing: str,
) -> None:
    """The ticket is there, and no alarm sounds as if it were a second one."""
    claim = behind.intend(make_wish())
    assert isinstance(claim, Intended)
    proxy.losing = losing
    applied = behind.accept(claim, ticket("T"))
    assert proxy.lost == 1
    assert (applied.stage, applied.alarm) == (Stage.ACCEPTED, None)
    assert _events(behind, claim) == ["intend", "accept"]


ENDS: dict[str, Callable[[Ledger, Intended], Any]] = {
    "turn_away": lambda ledger, claim: ledger.turn_away(claim, Transient("later")),
    "refuse": lambda ledger, claim: ledger.refuse(claim, Refused("no")),
    "lose": lambda ledger, claim: ledger.lose(claim, InDoubt("no answer")),
}


@LOSSES
@pytest.mark.parametrize("end", ENDS)
def test_an_end_whose_commit_broke_is_written_once(
    behind: Ledger, proxy: Proxy, make_wish: Callable[..., Wish], losing: str, end: str
) -> None:
    """And not taken for a late word of somebody else."""
    claim = behind.intend(make_wish())
    assert isinstance(claim, Intended)
    proxy.losing = losing
    assert ENDS[end](behind, claim).moved
    assert proxy.lost == 1
    assert _events(behind, claim) == ["intend", end]


@LOSSES
def test_a_clip_whose_commit_broke_is_delivered_once(
    behind: Ledger, proxy: Proxy, bought: Callable[..., Intended], losing: str
) -> None:
    """Settled once, and an alarm that belongs to it is not lost with the connection."""
    claim = bought(behind)
    behind.finish(claim.key, 1, READY)
    charge = Charge(usd=Decimal("2.00"), basis=CostBasis.REPORTED)
    proxy.losing = losing
    applied = behind.deliver(
        claim.key, 1, Clip(file="a.mp4", sha256="c" * 64, size=1), charge=charge
    )
    assert proxy.lost == 1
    assert (applied.stage, applied.alarm) == (Stage.DONE, Alarm.ABOVE_RESERVATION)
    assert {c.spent_usd for c in behind.counters()} == {Decimal("2.00")}
    assert _events(behind, claim) == ["intend", "accept", "finish", "deliver"]


@LOSSES
def test_an_attempt_whose_opening_broke_is_opened_once(
    behind: Ledger,
    proxy: Proxy,
    make_job: Callable[..., Job],
    bought: Callable[..., Intended],
    losing: str,
) -> None:
    """A retry that was heard is not heard twice."""
    job = make_job()
    claim = bought(behind, job)
    behind.fail(job.key, 1, Failed(error=Refused("bad face"), charged=False))
    proxy.losing = losing
    assert behind.open_attempt(job.key, after=1, by="person") == 2
    assert proxy.lost == 1
    assert _events(behind, claim) == ["intend", "accept", "fail", "open"]


def test_a_server_that_stays_away_is_told_after_patience(
    behind: Ledger, proxy: Proxy, make_wish: Callable[..., Wish]
) -> None:
    """A restart is waited for; what lasts is said, and nothing was claimed."""
    proxy.broken, proxy.losing = True, "commit"
    with pytest.raises(LedgerUnusable, match="cannot be reached"):
        behind.intend(make_wish())
    proxy.broken = False
    assert behind.totals().intents == 0


def _events(ledger: Ledger, claim: Intended) -> list[str]:
    return [happening.event for happening in ledger.happenings(claim.key)]
