"""`plan`, `generate`, `retry`: a catalogue made from a command line, and how it is told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from omnihuman_blocks.catalogue.preparing import (
    NEVER_BY_ITSELF,
    check_order,
    order_of,
    plan_order,
)
from omnihuman_blocks.commands.words import (
    Commands,
    add_buying,
    add_checks,
    add_command,
    add_ledger,
    add_speech,
    add_store,
    add_tables,
    checks_of,
    classes_of,
    dollars_of,
    options_of,
    order_from,
    prices_of,
    print_json,
    speech_from,
    store_from,
)
from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.domain.sharding import Shard
from omnihuman_blocks.domain.summary import (
    EXIT_CANNOT_START,
    EXIT_IN_DOUBT,
    EXIT_ROWS_FAILED,
    EXIT_STOPPED,
    exit_code,
    plan_text,
)

LOST_WORDS = 240
ROWS_SHOWN = 20
RETRY = "omnihuman retry"

WAYS_ON = {
    EXIT_ROWS_FAILED: "Some rows failed or were rejected: catalogue.parquet, or "
    "omnihuman status {results}",
    EXIT_STOPPED: "Not everything is done. Once nothing stands in the way, run the same command "
    "again: what is done is skipped, what was bought is waited for.",
    EXIT_IN_DOUBT: "Some purchases are in doubt: they were sent and their answers were lost. "
    "See them, and say what became of them: omnihuman reconcile {results}",
}


# --- plan ---------------------------------------------------------------------------------------


def add_plan(commands: Commands) -> None:
    """`omnihuman plan`"""
    words = add_command(
        commands,
        "plan",
        says="show what would be bought, row by row in plan.parquet, and the quote; spends nothing",
        example="omnihuman plan scripts.parquet avatars.parquet --results out --provider NAME",
    )
    add_tables(words)
    words.set_defaults(run=run_plan)


def run_plan(arguments: argparse.Namespace) -> int:
    """Plans and prints."""
    prepared = plan_order(order_from(arguments))
    summary = prepared.summary()
    if arguments.json:
        print_json(summary.as_json())
    else:
        print(plan_text(prepared.plan))
    return exit_code(summary.rows, planning=True)


# --- generate and retry -------------------------------------------------------------------------


def add_generate(commands: Commands) -> None:
    """`omnihuman generate`"""
    words = add_command(
        commands,
        "generate",
        says="make every video that is not there yet, and write the catalogue",
        example="omnihuman generate scripts.parquet avatars.parquet --results out --provider NAME "
        "--budget 50",
    )
    add_tables(words)
    add_buying(words)
    words.add_argument(
        "--retry-failed", action="store_true", help="also buy failed jobs again that cost nothing"
    )
    words.add_argument(
        "--captions",
        choices=("files", "soft"),
        default="files",
        help="`soft`: also keep each video with its captions as a track of its own",
    )
    words.add_argument(
        "--shard",
        default="1/1",
        metavar="I/N",
        help="make only this part of the rows, such as 2/4: one of four processes that share "
        "ledger and results",
    )
    words.set_defaults(run=run_generate)


def run_generate(arguments: argparse.Namespace) -> int:
    """Runs the flow in this process."""
    dollars_of(arguments.budget)
    Shard.parse(arguments.shard)
    check_order(replace(order_from(arguments), webhook_url=arguments.webhook_url))
    parameters = {
        "scripts": arguments.scripts,
        "avatars": arguments.avatars,
        "results": arguments.results,
        "provider": arguments.provider,
        "budget": arguments.budget,
        "prices": {name: str(usd) for name, usd in prices_of(arguments.price).items()},
        "options": options_of(arguments.option),
        "max_in_flight": arguments.max_in_flight,
        "retry_failed": arguments.retry_failed,
        "strict": arguments.strict,
        "no_split": arguments.no_split,
        "checks": checks_of(arguments.check),
        "soft_captions": arguments.captions == "soft",
        "shard": arguments.shard,
        "ledger": arguments.ledger,
        "webhook_url": arguments.webhook_url,
        **speech_from(arguments),
        **store_from(arguments),
    }
    return _run("generate_catalogue", parameters, as_json=arguments.json)


def add_retry(commands: Commands) -> None:
    """`omnihuman retry`"""
    words = add_command(
        commands,
        "retry",
        says="buy failed rows again, as new attempts: those that cost nothing, or those you name",
        example="omnihuman retry out --only Refused",
    )
    words.add_argument("results", metavar="DIR", help="a results folder")
    words.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CLASS",
        help="classes of errors (column error_class), whatever they cost",
    )
    add_checks(words)
    add_buying(words)
    add_speech(words)
    add_store(words)
    add_ledger(words)
    words.set_defaults(run=run_retry)


def run_retry(arguments: argparse.Namespace) -> int:
    """Runs the flow in this process."""
    dollars_of(arguments.budget)
    classes_of(arguments.only)
    noted = order_of(arguments.results, arguments.ledger).with_store(**store_from(arguments))
    check_order(
        replace(
            noted,
            webhook_url=arguments.webhook_url or noted.webhook_url,
            speech=arguments.speech or noted.speech,
            voices=arguments.voices or noted.voices,
            lexicon=arguments.lexicon or noted.lexicon,
        )
    )
    parameters = {
        "results": arguments.results,
        "only": arguments.only,
        "checks": checks_of(arguments.check),
        "budget": arguments.budget,
        "max_in_flight": arguments.max_in_flight,
        "ledger": arguments.ledger,
        "webhook_url": arguments.webhook_url,
        **speech_from(arguments),
        **store_from(arguments),
    }
    return _run("retry_failed", parameters, as_json=arguments.json)


def _run(name: str, parameters: dict[str, Any], *, as_json: bool) -> int:
    from omnihuman_blocks.commands.prefect_here import run_flow  # noqa: PLC0415 - slow import

    told = run_flow(name, parameters)
    if "error" in told:
        print(f"omnihuman: {told['error']}", file=sys.stderr)
        return EXIT_CANNOT_START
    code: int = told.pop("exit_code")
    if as_json:
        print_json(told)
    else:
        print_end(told, code)
    return code


def print_end(told: dict[str, Any], code: int) -> None:
    """How it went, and how to go on."""
    rows = ", ".join(f"{count} {state}" for state, count in told["rows"].items() if count)
    print(
        f"{rows or 'no rows'}. {told['bought']} bought now, {told['reused']} rows reused, "
        f"${Decimal(told['charged_usd']):,.2f} charged in all. Results: {told['results']}"
    )
    if told["unknown_costs"]:
        print(f"Rows of which no vendor has told the cost yet: {told['unknown_costs']}.")
    for line in told["rejections"]:
        print(f"  rejected: {line}")
    for reason in told["reasons"]:
        if reason["state"] != RowState.REJECTED.value:
            print_reason(reason)
    if code in WAYS_ON:
        print(WAYS_ON[code].format(results=told["results"]))
    if code == EXIT_ROWS_FAILED:
        print_ways_to_retry(told)


def print_ways_to_retry(told: dict[str, Any]) -> None:
    """How failed rows are bought again."""
    classes = {one["error_class"] for one in told["reasons"] if one["state"] == "failed"}
    named = " ".join(sorted(classes))
    if classes - NEVER_BY_ITSELF:
        print(f"Buy those again that failed for now and cost nothing: {RETRY} {told['results']}")
    if named:
        print(f"Buy them again whatever they cost: {RETRY} {told['results']} --only {named}")


def print_reason(reason: Mapping[str, Any]) -> None:
    """Why so many rows are not done."""
    words = why(reason["error_class"], reason["error_message"])
    print(f"  {reason['rows']} {reason['state']}: {words}")


def why(error_class: str | None, message: str | None) -> str:
    """An error in one line that is not too long."""
    words = " ".join((message or "").split())
    return f"{error_class}: {words[:LOST_WORDS]}{'…' if len(words) > LOST_WORDS else ''}"


COMMANDS: tuple[Callable[[Commands], None], ...] = (add_plan, add_generate, add_retry)
