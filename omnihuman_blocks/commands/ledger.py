"""`ledger` and `reconcile`: the book of purchases, for the moments in which a person is needed."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import hashlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from omnihuman_blocks.catalogue.joining import remember_joined
from omnihuman_blocks.catalogue.preparing import ledger_of, order_of
from omnihuman_blocks.commands.doubts import doubt_lines
from omnihuman_blocks.commands.words import Commands, add_command, add_place, dollars_of
from omnihuman_blocks.domain.job import JobKey, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.domain.summary import EXIT_DONE, EXIT_IN_DOUBT
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Clip, Doubt, ErrorNote, Known, Ledger
from omnihuman_blocks.edges.recall import read_catalogue
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import BadDelivery, CannotStart, OmniHumanError
from omnihuman_blocks.providers import PROVIDERS, room
from omnihuman_blocks.walk.accounts import has_key, seller_from_environment
from omnihuman_blocks.walk.opening import VIDEOS

SHORTEST_KEY = 6

STAGES = {
    RowState.DONE: Stage.DONE,
    RowState.FAILED: Stage.FAILED,
    RowState.IN_DOUBT: Stage.IN_DOUBT,
    RowState.PENDING: Stage.ACCEPTED,
}
"""What a catalogue's word means in a new ledger; other rows were never bought."""


# --- ledger show, cap, rebuild ------------------------------------------------------------------


def add_ledger_command(commands: Commands) -> None:
    """`omnihuman ledger`"""
    words = add_command(
        commands,
        "ledger",
        says="look into the ledger, set standing caps, or found it anew from a catalogue",
        example="omnihuman ledger show 3f9a12c4 --results out",
    )
    kinds = words.add_subparsers(required=True, metavar="show | cap | rebuild")
    show = kinds.add_parser("show", help="one job's life in plain words")
    show.add_argument("key", metavar="KEY", help="a job's key, or its beginning")
    add_place(show)
    show.set_defaults(run=run_show)
    cap = kinds.add_parser("cap", help="what may be spent at most; without an amount: what holds")
    cap.add_argument("--vendor", choices=tuple(PROVIDERS), help="of one vendor")
    cap.add_argument("--per-day", metavar="USD", help="a day (UTC); `none` lifts it")
    cap.add_argument("--total", metavar="USD", help="in all, of one vendor; `none` lifts it")
    add_place(cap)
    cap.set_defaults(run=run_cap)
    rebuild = kinds.add_parser("rebuild", help="a new ledger from the catalogue, for a lost one")
    rebuild.add_argument("results", metavar="DIR", help="a results folder")
    rebuild.add_argument("--ledger", metavar="URL", help="where the ledger is not DIR/ledger.db")
    rebuild.set_defaults(run=run_rebuild)


def _open(arguments: argparse.Namespace) -> Ledger:
    address = arguments.ledger or str(Path(arguments.results) / "ledger.db")
    return Ledger.open(address, must_exist=True)


def run_show(arguments: argparse.Namespace) -> int:
    """Prints a life."""
    with _open(arguments) as ledger:
        key = _key(ledger, arguments.key)
        print(ledger.history(key))
        for line in doubt_lines(ledger.in_doubt([key]), arguments.results):
            print(line)
    return EXIT_DONE


def run_cap(arguments: argparse.Namespace) -> int:
    """Sets a cap, or tells those that hold."""
    with _open(arguments) as ledger:
        if arguments.per_day is not None:
            ledger.set_cap(_amount(arguments.per_day), vendor=arguments.vendor, per_day=True)
        if arguments.total is not None:
            ledger.set_cap(_amount(arguments.total), vendor=arguments.vendor)
        caps = ledger.caps()
        for counter in ledger.counters():
            cap = "no cap" if counter.cap_usd is None else f"of ${counter.cap_usd:.2f}"
            print(
                f"{counter.scope}: ${counter.spent_usd:.2f} spent, "
                f"${counter.reserved_usd:.2f} set aside, {cap}"
            )
        unused = caps.keys() - {counter.rule for counter in ledger.counters()}
        for rule in sorted(unused):
            print(f"{rule}: nothing spent yet, of ${caps[rule]:.2f}")
    return EXIT_DONE


def _amount(text: str) -> Decimal | None:
    return None if text == "none" else dollars_of(text)


def _key(ledger: Ledger, beginning: str) -> JobKey:
    found = ledger.keys_beginning(beginning) if len(beginning) >= SHORTEST_KEY else []
    if len(found) != 1:
        why = f"names {len(found)} jobs" if found else "names no job"
        raise CannotStart(
            f"{beginning!r} {why} in this ledger. Give at least {SHORTEST_KEY} digits of a key; "
            "column `parts` of the catalogue has them."
        )
    return found[0]


def run_rebuild(arguments: argparse.Namespace) -> int:
    """Founds a ledger that will not buy again what the catalogue has."""
    address = ledger_of(arguments.results, arguments.ledger)
    lines = read_catalogue(arguments.results).to_dict("records")
    with Ledger.open(address) as ledger:
        enrolled = ledger.rebuild(_known(lines, ResultsFolder.at(arguments.results)))
        remember_joined(ledger, lines)
        print(f"{enrolled} jobs of the catalogue are in the ledger {ledger.address} now.")
    return EXIT_DONE


def _known(lines: Sequence[Mapping[Any, Any]], folder: ResultsFolder) -> Iterator[Known]:
    """The catalogue's jobs that were bought, or may have been."""
    files = {name.partition(".")[0]: name for name in folder.names(VIDEOS)}
    for line in lines:
        for part in line["parts"] if line["parts"] is not None else ():
            stage = STAGES.get(RowState(part["state"]))
            if stage is None or (stage is Stage.ACCEPTED and not part["ticket"]):
                continue
            name = line["error_class"]
            if stage is Stage.FAILED and name == BadDelivery.__name__:
                stage = Stage.SPOILED
            failed = stage in (Stage.FAILED, Stage.SPOILED) and name
            yield Known(
                key=JobKey(part["job_key"]),
                provider=line["provider"],
                model=line["model"],
                stage=stage,
                attempt=int(part["attempt"]) or 1,
                audio_seconds=Decimal(str(part["seconds"])),
                ticket_id=part["ticket"],
                charge=Charge(usd=part["cost_usd"], basis=CostBasis(line["cost_basis"])),
                error=ErrorNote(name=name, message=line["error_message"]) if failed else None,
                clip=_clip(line, part, folder, files) if stage is Stage.DONE else None,
            )


def _clip(
    line: Mapping[Any, Any],
    part: Mapping[str, Any],
    folder: ResultsFolder,
    files: Mapping[str, str],
) -> Clip:
    """The row's video; of one of several parts its own file, which may have to be fetched again."""
    if len(line["parts"]) > 1:
        name = files.get(part["job_key"], f"{part['job_key']}.mp4")
        content = folder.read(f"{VIDEOS}/{name}") if part["job_key"] in files else b""
        seconds = Decimal(str(part["seconds"]))
        digest = hashlib.sha256(content).hexdigest()
        return Clip(file=name, sha256=digest, size=len(content), seconds=seconds)
    return Clip(
        file=str(line["video_uri"]).rpartition("/")[2],
        sha256=str(line["video_sha256"]),
        size=int(str(line["video_bytes"])),
        width=int(str(line["width"])),
        height=int(str(line["height"])),
        seconds=Decimal(str(line["video_seconds"])),
    )


# --- reconcile ----------------------------------------------------------------------------------


def add_reconcile(commands: Commands) -> None:
    """`omnihuman reconcile`"""
    words = add_command(
        commands,
        "reconcile",
        says="settle purchases whose answers were lost: what the vendor shows is for you to say",
        example="omnihuman reconcile out --job 3f9a12c4 --ticket 019d3c5e",
    )
    words.add_argument("results", metavar="DIR", help="a results folder")
    words.add_argument("--job", metavar="KEY", help="the job's key, or its beginning")
    said = words.add_mutually_exclusive_group()
    said.add_argument("--ticket", metavar="ID", help="it was bought: the vendor's id for it")
    said.add_argument(
        "--not-bought", action="store_true", help="it was not bought, and may be bought now"
    )
    words.add_argument(
        "--unchecked", action="store_true", help="take the ticket though the vendor cannot be asked"
    )
    words.add_argument("--ledger", metavar="URL", help="where the ledger is not DIR/ledger.db")
    words.set_defaults(run=run_reconcile)


def run_reconcile(arguments: argparse.Namespace) -> int:
    """Without a job: what is in doubt and what to look for. With one: what a person says of it."""
    if bool(arguments.job) != bool(arguments.ticket or arguments.not_bought):
        raise CannotStart(
            "Say which job and what became of it: --job KEY with --ticket or --not-bought."
        )
    order = order_of(arguments.results, arguments.ledger)
    with Ledger.open(order.ledger_address, must_exist=True) as ledger:
        if arguments.job:
            _settle(ledger, arguments)
        doubts = ledger.in_doubt()
        for line in doubt_lines(doubts, arguments.results):
            print(line)
    if not doubts:
        print("Nothing is in doubt. Run `generate` again to go on.")
    return EXIT_IN_DOUBT if doubts else EXIT_DONE


def _settle(ledger: Ledger, arguments: argparse.Namespace) -> None:
    key = _key(ledger, arguments.job)
    doubts = ledger.in_doubt([key])
    if not doubts:
        raise CannotStart(f"Job {key[:12]} is not in doubt. See: omnihuman ledger show {key[:12]}")
    (doubt,) = doubts
    person = f"{getpass.getuser()} on {socket.gethostname()}"
    if arguments.not_bought:
        ledger.rule_out(doubt, who=person, why="said so on the command line")
        print(f"{key[:12]}: not bought. The next `generate` may buy it.")
    else:
        ticket = Ticket(provider=doubt.provider, model=doubt.model, id=arguments.ticket)
        _check_ticket(ledger, doubt, ticket, ask=not arguments.unchecked)
        ledger.adopt(key, doubt.attempt, ticket, who=person)
        print(f"{key[:12]}: bought under {arguments.ticket}. The next `generate` fetches it.")


def _check_ticket(ledger: Ledger, doubt: Doubt, ticket: Ticket, *, ask: bool) -> None:
    """Neither another job's ticket nor one that the vendor does not know: nobody could undo it."""
    states = ledger.states([key for key, _ in ledger.by_ticket(ticket.id)])
    for state in states.values():
        if state.provider == doubt.provider:
            raise CannotStart(
                f"Ticket {ticket.id} belongs to job {state.key[:12]} already, so job "
                f"{doubt.key[:12]} was not bought under it. Nothing was changed. Look for another "
                "request of that minute."
            )
    vendor = room(doubt.provider)
    if not ask:
        return
    if not has_key(vendor, os.environ):
        print(f"Not checked with {vendor.TITLE}: there is no {vendor.KEY_VARIABLE} here.")
        return
    try:
        asyncio.run(_ask_about(ticket))
    except OmniHumanError as error:
        raise CannotStart(
            f"{vendor.TITLE} does not confirm ticket {ticket.id}, so nothing was changed: {error} "
            "If it is right all the same, add --unchecked."
        ) from error


async def _ask_about(ticket: Ticket) -> None:
    seller = seller_from_environment(ticket.provider, os.environ)
    async with Http() as http:
        await http.follow(seller.account, seller.room.checking(ticket))
