"""Words on a command line -> one of the commands. Each command is a pair of small functions.

`add_NAME` says which words it takes, `run_NAME` does it and returns the exit code.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

from omnihuman_blocks.commands import catalogue
from omnihuman_blocks.commands.cancel import add_cancel
from omnihuman_blocks.commands.demo import add_demo
from omnihuman_blocks.commands.doctor import add_doctor
from omnihuman_blocks.commands.export import add_export
from omnihuman_blocks.commands.ledger import add_ledger_command, add_reconcile
from omnihuman_blocks.commands.prefect_here import STOPPED
from omnihuman_blocks.commands.status import add_status
from omnihuman_blocks.commands.webhooks import add_webhooks
from omnihuman_blocks.commands.words import Commands, port
from omnihuman_blocks.errors import CannotStart, OmniHumanError

CANNOT_START = 2
OUR_ERROR = 70
INTERRUPTED = 130
DESCRIPTION = (
    "Catalogues of talking-avatar videos with ByteDance OmniHuman: two tables in, checked videos "
    "and their costs out, nothing bought twice. Without a key: omnihuman demo"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code."""
    arguments = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except CannotStart as error:
        print(f"omnihuman: {error}", file=sys.stderr)
        return CANNOT_START
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OUR_ERROR
    except OmniHumanError as error:
        print(f"omnihuman: {error}", file=sys.stderr)
        return OUR_ERROR
    except Exception:  # noqa: BLE001 - told whole, so that it can be mended
        traceback.print_exc()
        print(
            "omnihuman: this is an error of ours. What was bought is in the ledger; the same "
            "command goes on from here.",
            file=sys.stderr,
        )
        return OUR_ERROR


def parser() -> argparse.ArgumentParser:
    """All commands."""
    words = argparse.ArgumentParser(prog="omnihuman", description=DESCRIPTION)
    commands = words.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return words


# --- sandbox ------------------------------------------------------------------------------------

SANDBOX_EXAMPLE = """\
example:
  omnihuman sandbox --port 8700 --faults faults.json

  First it prints NAME=value lines, ready to be exported; then it serves until Ctrl-C.
"""


def add_sandbox(commands: Commands) -> None:
    """`omnihuman sandbox`"""
    words = commands.add_parser(
        "sandbox",
        help="run a loopback vendor that speaks all four wires and counts purchases",
        epilog=SANDBOX_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words.add_argument("--port", type=port, default=0, help="0, the default, takes a free one")
    words.add_argument("--faults", metavar="FILE", help="rules for what goes wrong, as JSON")
    words.add_argument("--settings", metavar="FILE", help="settings to change, as JSON")
    words.add_argument(
        "--time-scale", type=float, metavar="X", help="1 is as slow as a vendor; default 0.05"
    )
    words.add_argument(
        "--quality", choices=("fast", "preview", "full"), default="fast", help="of the videos"
    )
    words.add_argument(
        "--workers", type=_at_least_one, default=1, help="processes that render; default 1"
    )
    words.add_argument(
        "--slots", type=int, metavar="N", help="jobs that each vendor works on at once"
    )
    words.add_argument("--quiet", action="store_true", help="no line per purchase")
    words.set_defaults(run=run_sandbox)


def _at_least_one(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1 is needed, not {number}")
    return number


def run_sandbox(arguments: argparse.Namespace) -> int:
    """Serves until it is stopped."""
    from omnihuman_blocks.sandbox.command import CannotServe, serve  # noqa: PLC0415 - slow import

    try:
        return serve(arguments)
    except CannotServe as error:
        print(f"omnihuman sandbox: {error}", file=sys.stderr)
        return CANNOT_START


COMMANDS: tuple[Callable[[Commands], None], ...] = (
    add_demo,
    *catalogue.COMMANDS,
    add_status,
    add_export,
    add_reconcile,
    add_cancel,
    add_ledger_command,
    add_webhooks,
    add_doctor,
    add_sandbox,
)
