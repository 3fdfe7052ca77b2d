"""A process of its own that works on a ledger, so that it can be killed, stopped and raced.

Called as `child.py COMMAND ADDRESS ARGUMENT`. It says a line on standard output when it has done
what its name says, and then waits for a line on standard input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from decimal import Decimal

import sqlalchemy as sa

from omnihuman_blocks.domain.job import Job, JobKey, Media, MediaKind, Submission, Ticket
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.edges.ledger import Intended, Ledger, Wish
from omnihuman_blocks.errors import OverBudget, Transient


def wish(name: str, *, usd: str = "1.50", invocation: str | None = None) -> Wish:
    def media(kind: MediaKind, seconds: str | None = None) -> Media:
        return Media(
            kind=kind,
            uri="x",
            sha256="a" * 64,
            size=1,
            format="x",
            seconds=None if seconds is None else Decimal(seconds),
        )

    job = Job(
        key=JobKey(f"{name:0>64}"),
        provider="fal",
        model="omnihuman/v1.5",
        image=media(MediaKind.IMAGE),
        audio=media(MediaKind.AUDIO, "9.5"),
        options=Options(),
    )
    submission = Submission(job=job, attempt=1, image="https://x/i", audio="https://x/a")
    return Wish(submission=submission, upper_bound=Decimal(usd), invocation=invocation)


def ticket(name: str) -> Ticket:
    return Ticket(provider="fal", model="omnihuman/v1.5", id=name)


def say(word: object) -> None:
    print(word, flush=True)  # noqa: T201 - that is how a child speaks


def heard() -> str:
    return sys.stdin.readline().strip()


def intend(ledger: Ledger, name: str) -> None:
    """Holds an intent, then tells on request how many seconds of its lease are left."""
    claim = ledger.intend(wish(name))
    assert isinstance(claim, Intended)
    say("intended")
    while heard():
        say(ledger.still_mine(claim))


def begin(ledger: Ledger, name: str) -> None:
    """Stops in the middle of the transaction that would write the intent."""

    def stop_here(_: sa.Connection) -> None:
        say("begun")
        heard()

    sa.event.listen(ledger._store._writer, "commit", stop_here)
    ledger.intend(wish(name))


def accept(ledger: Ledger, name: str) -> None:
    claim = ledger.intend(wish(name))
    assert isinstance(claim, Intended)
    ledger.accept(claim, ticket(f"ticket-{name}"))
    say("accepted")
    heard()


def race(ledger: Ledger, count: str) -> None:
    """Tries to claim every key, and says which ones it got."""
    say("ready")
    heard()
    won = []
    for number in range(int(count)):
        claim = ledger.intend(wish(str(number)))
        if isinstance(claim, Intended):
            won.append(number)
            ledger.accept(claim, ticket(f"{os.getpid()}-{number}"))
    say(json.dumps(won))


def spend(ledger: Ledger, count: str) -> None:
    """Reserves, and settles, releases or keeps, until the cap says no; says how often it could."""
    say("ready")
    heard()
    bought = 0
    for number in range(int(count)):
        try:
            claim = ledger.intend(wish(f"{os.getpid()}{number}", usd="1.00", invocation="race"))
        except OverBudget:
            continue
        assert isinstance(claim, Intended)
        if number % 3 == 0:
            ledger.turn_away(claim, Transient("too many requests"))
            continue
        bought += 1
        ledger.accept(claim, ticket(f"{os.getpid()}-{number}"))
        if number % 3 == 1:
            charge = Charge(usd=Decimal("1.00"), basis=CostBasis.REPORTED)
            ledger.settle(claim.key, 1, charge)
    say(bought)


def follow(ledger: Ledger, key: str) -> None:
    """Opens the attempt after the first one."""
    say("ready")
    heard()
    say(ledger.open_attempt(JobKey(key), after=1, by="program"))


COMMANDS: dict[str, Callable[[Ledger, str], None]] = {
    "intend": intend,
    "begin": begin,
    "accept": accept,
    "race": race,
    "spend": spend,
    "follow": follow,
}


def main() -> None:
    command, address, argument = sys.argv[1:4]
    lease = float(sys.argv[4]) if len(sys.argv) > 4 else 180.0
    if command == "found":
        say("ready")
        heard()
        Ledger.open(address).close()
        say("founded")
        return
    with Ledger.open(address, lease_seconds=lease) as ledger:
        COMMANDS[command](ledger, argument)


if __name__ == "__main__":
    main()
