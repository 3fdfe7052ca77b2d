"""`cancel`: takes back what a vendor has not begun, where the vendor allows it; loses no ticket."""

from __future__ import annotations

import argparse
import getpass
import os
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from omnihuman_blocks.catalogue.loading import load_block
from omnihuman_blocks.catalogue.preparing import open_ledger, order_of
from omnihuman_blocks.commands.words import Commands, add_command, add_ledger, print_json
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.summary import EXIT_DONE, EXIT_IN_DOUBT, EXIT_STOPPED
from omnihuman_blocks.edges.ledger import JobState, Ledger
from omnihuman_blocks.edges.recall import read_catalogue
from omnihuman_blocks.loop.calling import run_to_end
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.walk.accounts import Seller
from omnihuman_blocks.walk.cancelling import Became, Wished, cancel
from omnihuman_blocks.walk.order import Order, open_shop

SENTENCES = {
    Became.CANCELLED: "cancelled: there will be no video",
    Became.ASKED: "asked to cancel, and not confirmed yet: the ticket is kept",
    Became.BEGUN: "begun or made already: not cancelled, it will be charged",
    Became.IMPOSSIBLE: "cannot be cancelled at this vendor: the video is made and charged",
    Became.UNANSWERED: "no answer about it: the ticket is kept; run this again",
}


def add_cancel(commands: Commands) -> None:
    """`omnihuman cancel`"""
    words = add_command(
        commands,
        "cancel",
        says="ask the vendors that can to cancel what is queued, and tell what cannot be",
        example="omnihuman cancel out",
    )
    words.add_argument("results", metavar="DIR", help="a results folder")
    add_ledger(words)
    words.set_defaults(run=run_cancel)


def run_cancel(arguments: argparse.Namespace) -> int:
    """Exits 0 where nothing is left at a vendor, 4 where something is in doubt, else 3."""
    order = order_of(arguments.results, arguments.ledger)
    # A shared ledger knows others' jobs, which are none of this catalogue's business.
    mine = None if order.ledger is None else _keys(arguments.results)
    with open_ledger(order) as ledger:
        states = [state for state in ledger.waiting() if mine is None or state.key in mine]
        wished = run_to_end(partial(_cancel, states, order, ledger))
        doubts = len(ledger.in_doubt(mine))
    if arguments.json:
        print_json(_told(wished, doubts, arguments.results))
    else:
        _print(wished, doubts, arguments.results)
    if doubts:
        return EXIT_IN_DOUBT
    return EXIT_DONE if _count(wished)[Became.CANCELLED] == len(wished) else EXIT_STOPPED


async def _cancel(states: Sequence[JobState], order: Order, ledger: Ledger) -> list[Wished]:
    able = {state.provider for state in states if PROVIDERS[state.provider].cancelling is not None}
    who = f"{getpass.getuser()} on {socket.gethostname()}"
    return await cancel(states, ledger=ledger, sellers=_sellers(order, able), who=who)


def _sellers(order: Order, names: set[str]) -> Mapping[str, Seller]:
    """With their keys, from the environment or the order's block."""
    found: dict[str, Seller] = {}
    for name in names:
        block = load_block(order.provider)
        if block is not None and block.vendor != name:
            block = None
        provider = order.provider if block is not None else name
        wanted = Order(scripts="", avatars="", results=order.results, provider=provider)
        shop = open_shop(wanted, os.environ, with_keys=True, block=block)
        found[name] = shop.sellers[name]
    return found


def _keys(results: str) -> set[JobKey]:
    lines = read_catalogue(results).to_dict("records")
    parts = (part for line in lines if line["parts"] is not None for part in line["parts"])
    return {JobKey(part["job_key"]) for part in parts}


def _count(wished: Sequence[Wished]) -> Counter[Became]:
    return Counter(one.became for one in wished)


def _told(wished: Sequence[Wished], doubts: int, results: str) -> dict[str, Any]:
    counted = _count(wished)
    return {
        **{became.value: counted[became] for became in Became},
        "in_doubt": doubts,
        "jobs": [
            {
                "job_key": one.key,
                "provider": one.provider,
                "became": one.became.value,
                "said": one.said,
                "not_charged": one.is_free,
            }
            for one in wished
        ],
        "results": results,
    }


def _print(wished: Sequence[Wished], doubts: int, results: str) -> None:
    if not wished:
        print("No vendor has a job of this catalogue in its hands. There is nothing to cancel.")
    groups = Counter((PROVIDERS[one.provider].TITLE, one.became) for one in wished)
    for (title, became), count in sorted(groups.items()):
        print(f"{count} at {title} {SENTENCES[became]}.")
    unsure = sum(one.became is Became.CANCELLED and not one.is_free for one in wished)
    if unsure:
        print(f"Whether {unsure} of the cancelled are charged is not known; that stays set aside.")
    for one in wished:
        if one.became is Became.UNANSWERED:
            print(f"  {one.key[:12]}: {one.said}")
    left = len(wished) - _count(wished)[Became.CANCELLED]
    if left:
        print(f"The tickets of {left} are kept: run the same `generate` again to fetch the videos.")
    if len(wished) > left:
        print(
            "What was cancelled is not bought again by itself: "
            f"omnihuman retry {results} --only Refused"
        )
    if doubts:
        print(f"{doubts} in doubt cannot be cancelled: omnihuman reconcile {results}")
