"""`webhooks`: a port at which vendors tell that a job has ended, for the ledger of a catalogue."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys

from omnihuman_blocks.catalogue.preparing import ledger_of, open_ledger
from omnihuman_blocks.commands.words import Commands, add_command, port
from omnihuman_blocks.domain.summary import EXIT_DONE
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.walk.order import Order

DEFAULT_PORT = 8710
LOOPBACK = "127.0.0.1"


def add_webhooks(commands: Commands) -> None:
    """`omnihuman webhooks`"""
    words = add_command(
        commands,
        "webhooks",
        says="receive the vendors' callbacks, which heal purchases whose answers were lost",
        example="omnihuman webhooks --port 8710 --results out",
    )
    words.add_argument(
        "--port",
        type=port,
        default=DEFAULT_PORT,
        help=f"default {DEFAULT_PORT}; 0 takes a free one",
    )
    words.add_argument(
        "--host", default=LOOPBACK, help="default 127.0.0.1: a proxy on this machine passes on"
    )
    which = words.add_mutually_exclusive_group(required=True)
    which.add_argument("--results", metavar="DIR", help="the results folder, for its ledger")
    which.add_argument("--ledger", metavar="URL", help="the ledger, where it is not DIR/ledger.db")
    words.set_defaults(run=run_webhooks)


def run_webhooks(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM, then tells what came."""
    from omnihuman_blocks.webhooks.app import app_for  # noqa: PLC0415 - slow import
    from omnihuman_blocks.webhooks.serving import bind, server  # noqa: PLC0415

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", force=True
    )
    for chatty in ("httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with _ledger(arguments) as ledger, bind(arguments.host, arguments.port) as listener:
        app = app_for(ledger, environment=os.environ)
        serving = server(app)

        async def serve() -> None:
            loop = asyncio.get_running_loop()
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, setattr, serving, "should_exit", True)  # noqa: FBT003
            await serving.serve(sockets=[listener])

        _say_where(ledger, arguments.host, listener.getsockname()[1])
        asyncio.run(serve())
        heard = ", ".join(f"{count} {verdict}" for verdict, count in app.counts.items() if count)
        print(f"Stopped. Callbacks: {heard or 'none'}.", file=sys.stderr)
    return EXIT_DONE


def _ledger(arguments: argparse.Namespace) -> Ledger:
    """May be new: whoever wants callbacks starts the receiver before the first purchase."""
    if arguments.ledger is not None:
        return Ledger.open(arguments.ledger)
    results = arguments.results
    address = ledger_of(results, None)
    return open_ledger(Order(scripts="", avatars="", results=results, provider="", ledger=address))


def _say_where(ledger: Ledger, host: str, number: int) -> None:
    intents = ledger.totals().intents
    shown = f"[{host}]" if ":" in host else host
    print(
        f"Listening at http://{shown}:{number} for the ledger {ledger.address} ({intents} intents)"
    )
    print("Pass a public https address on to it, and name that: generate … --webhook-url https://…")
    if not _is_loopback(host):
        print(
            f"{host} is open to the network, without TLS: tokens are safe only behind a proxy.",
            file=sys.stderr,
        )
    sys.stdout.flush()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
