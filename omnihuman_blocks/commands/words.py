"""Words that several commands share, and how all of them answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from omnihuman_blocks import errors
from omnihuman_blocks.domain.checks import understand_checks
from omnihuman_blocks.errors import CannotStart, OmniHumanError
from omnihuman_blocks.walk.accounts import price_of
from omnihuman_blocks.walk.order import Order

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


def add_command(
    commands: Commands, name: str, *, says: str, example: str
) -> argparse.ArgumentParser:
    """A command with one sentence and an example."""
    return commands.add_parser(
        name,
        help=says,
        description=says[0].upper() + says[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_tables(words: argparse.ArgumentParser) -> None:
    """SCRIPTS AVATARS --results --provider and what shapes a job."""
    words.add_argument("scripts", metavar="SCRIPTS", help="table of scripts: Parquet or CSV")
    words.add_argument("avatars", metavar="AVATARS", help="table of avatars")
    words.add_argument("--results", required=True, metavar="DIR", help="the results folder")
    words.add_argument(
        "--provider",
        required=True,
        metavar="NAME",
        help="a vendor (its key in the environment), or block:TYPE-SLUG/NAME",
    )
    words.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a wish for all rows, such as resolution=720p, model=1 or variants=2",
    )
    words.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="VENDOR=USD",
        help="dollars per second, where you know better",
    )
    add_checks(words)
    words.add_argument("--strict", action="store_true", help="reject wishes a model cannot honour")
    words.add_argument(
        "--no-split",
        action="store_true",
        help="reject speech that is longer than a model takes, instead of buying it in parts",
    )
    add_speech(words)
    add_store(words)
    add_ledger(words)


def add_speech(words: argparse.ArgumentParser) -> None:
    """Who speaks rows that have only text."""
    words.add_argument(
        "--speech",
        metavar="NAME",
        help="who speaks text: espeak, openai:URL?model=NAME (key in OMNIHUMAN_SPEECH_KEY), "
        "or block:NAME",
    )
    words.add_argument(
        "--voices", metavar="FILE", help="JSON that says which voice is meant in which locale"
    )
    words.add_argument(
        "--lexicon", metavar="FILE", help="table locale, written, said: how words are said"
    )


def add_store(words: argparse.ArgumentParser) -> None:
    """Where media are put for vendors that fetch them."""
    words.add_argument(
        "--media-store",
        metavar="URL",
        help="bucket for media that a vendor takes no upload of, such as s3://bucket/media",
    )
    words.add_argument(
        "--media-store-public",
        metavar="URL",
        help="https address at which everybody can read it; else addresses are signed",
    )


def store_from(arguments: argparse.Namespace) -> dict[str, str | None]:
    """The words of `add_store`."""
    return {name: getattr(arguments, name) for name in ("media_store", "media_store_public")}


def add_checks(words: argparse.ArgumentParser) -> None:
    """--check"""
    words.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a threshold of a check, such as black=2 or loudness=off",
    )


def add_ledger(words: argparse.ArgumentParser) -> None:
    """--ledger and --json."""
    words.add_argument("--ledger", metavar="URL", help="where the ledger is not DIR/ledger.db")
    words.add_argument("--json", action="store_true", help="one JSON object on standard output")


def add_place(words: argparse.ArgumentParser) -> None:
    """--results and --ledger, for commands that look into a ledger."""
    words.add_argument("--results", metavar="DIR", default=".", help="the results folder")
    words.add_argument("--ledger", metavar="URL", help="where the ledger is not DIR/ledger.db")


def add_buying(words: argparse.ArgumentParser) -> None:
    """What bounds a purchase."""
    words.add_argument("--budget", metavar="USD", help="what this invocation may add at most")
    words.add_argument(
        "--max-in-flight", type=_positive, metavar="N", help="jobs at one vendor at once"
    )
    words.add_argument(
        "--webhook-url",
        metavar="URL",
        help="public address under which vendors reach `omnihuman webhooks`",
    )


def order_from(arguments: argparse.Namespace) -> Order:
    """The order that the words of `add_tables` describe."""
    return Order(
        scripts=arguments.scripts,
        avatars=arguments.avatars,
        results=arguments.results,
        provider=arguments.provider,
        options=options_of(arguments.option),
        prices=prices_of(arguments.price),
        strict=arguments.strict,
        no_split=arguments.no_split,
        checks=checks_of(arguments.check),
        ledger=arguments.ledger,
        media_store=arguments.media_store,
        media_store_public=arguments.media_store_public,
        speech=arguments.speech,
        voices=arguments.voices,
        lexicon=arguments.lexicon,
    )


def speech_from(arguments: argparse.Namespace) -> dict[str, str | None]:
    """The words of `add_speech`."""
    return {name: getattr(arguments, name) for name in ("speech", "voices", "lexicon")}


def options_of(words: list[str]) -> dict[str, str]:
    """KEY=VALUE words."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise CannotStart(f"--option {word}: write KEY=VALUE, such as resolution=720p.")
        found[name.strip()] = value
    return found


def checks_of(words: list[str]) -> dict[str, str]:
    """NAME=VALUE words, understood once so that a slip is told before anything starts."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise CannotStart(f"--check {word}: write NAME=VALUE, such as black=2 or black=off.")
        found[name.strip()] = value.strip()
    understand_checks(found)
    return found


def prices_of(words: list[str]) -> dict[str, Decimal]:
    """VENDOR=USD_PER_SECOND words."""
    return dict(price_of(word) for word in words)


def dollars_of(text: str | None) -> Decimal | None:
    """A budget."""
    if text is None:
        return None
    try:
        amount = Decimal(text.lstrip("$"))
    except ArithmeticError:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise CannotStart(f"--budget {text}: write an amount of dollars, such as 25 or 12.50.")
    return amount


def classes_of(names: list[str]) -> frozenset[str]:
    """Classes of errors, as they stand in column `error_class`."""
    known = {cls.__name__ for cls in OmniHumanError.__subclasses__()} & vars(errors).keys()
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise CannotStart(f"--only {name}: there is no such class of errors. Known: {listed}.")
    return frozenset(names)


def print_json(told: Mapping[str, Any]) -> None:
    """The answer for programs."""
    json.dump(told, sys.stdout, indent=2, default=str)
    print()


def port(text: str) -> int:
    """A port; 0 takes a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port; it must lie between 0 and 65535")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
