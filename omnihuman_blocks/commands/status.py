"""`status`: where a catalogue stands, what it has cost, and what needs a person."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from omnihuman_blocks.catalogue.concluding import read_reasons
from omnihuman_blocks.catalogue.preparing import (
    Prepared,
    covered,
    open_ledger,
    order_of,
    plan_order,
)
from omnihuman_blocks.commands.catalogue import print_reason, why
from omnihuman_blocks.commands.doubts import doubt_lines, names_of
from omnihuman_blocks.commands.words import Commands, add_command, add_ledger, print_json
from omnihuman_blocks.domain.coverage import coverage_json, coverage_text
from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.domain.planned import Verdict
from omnihuman_blocks.domain.summary import EXIT_IN_DOUBT, Summary, exit_code, plan_text
from omnihuman_blocks.edges.coverage import squares
from omnihuman_blocks.edges.ledger import Doubt
from omnihuman_blocks.edges.recall import read_blocked
from omnihuman_blocks.errors import InDoubt
from omnihuman_blocks.providers import PROVIDERS

ROWS_SHOWN = 20


def add_status(commands: Commands) -> None:
    """`omnihuman status`"""
    words = add_command(
        commands,
        "status",
        says="show counts by state, money, and what needs a person; asks no vendor",
        example="omnihuman status out",
    )
    words.add_argument("results", metavar="DIR", help="a results folder")
    add_ledger(words)
    words.set_defaults(run=run_status)


def run_status(arguments: argparse.Namespace) -> int:
    """Lays the tables as they are now beside the ledger as it is now."""
    order = order_of(arguments.results, arguments.ledger)
    prepared = plan_order(order)
    summary = _with_blocked(prepared.summary(), prepared)
    with open_ledger(order) as ledger:
        # A ledger of its own also knows the rows that have left the tables; a shared one, others'.
        mine = None if order.ledger is None else prepared.keys
        totals, doubts = ledger.totals(), ledger.in_doubt(mine)
        told = {
            **summary.as_json(),
            "ledger_usd": str(totals.charged_usd),
            "reserved_usd": str(totals.reserved_usd),
            "unknown_charges": totals.unknown_charges,
            "in_doubt": [_doubt_record(doubt) for doubt in doubts],
            "coverage": coverage_json(squares(covered(prepared))),
        }
    if arguments.json:
        print_json(told)
    else:
        _print_status(prepared, told, doubts)
    return EXIT_IN_DOUBT if doubts else exit_code(summary.rows)


def _with_blocked(summary: Summary, prepared: Prepared) -> Summary:
    """What would be bought now and was not the last time is told as it was then."""
    blocked = read_blocked(prepared.folder)
    again = sum(
        row.verdict is Verdict.NEW and row.clip_key in blocked for row in prepared.plan.rows
    )
    rows = Counter(summary.rows) + Counter({RowState.BLOCKED: again})
    rows[RowState.PLANNED] -= again
    return replace(summary, rows=rows)


def _print_status(prepared: Prepared, told: dict[str, Any], doubts: Sequence[Doubt]) -> None:
    print(plan_text(prepared.plan))
    for line in coverage_text(squares(covered(prepared))):
        print(line)
    print(f"\n{_money_line(told)}")
    failed = [
        f"{row.script_id} {row.locale} {row.avatar_id}: "
        f"{why(outcome.error_class, outcome.error_message)}"
        for row in prepared.plan.rows
        for part in row.parts
        if (outcome := prepared.outcomes.get(part.job.key)) is not None
        and outcome.error_class not in (None, InDoubt.__name__)
    ]
    for line in failed[:ROWS_SHOWN]:
        print(f"  {line}")
    if len(failed) > ROWS_SHOWN:
        print(f"  … and {len(failed) - ROWS_SHOWN} more in catalogue.parquet")
    for reason in read_reasons(prepared.folder):
        if reason["state"] == RowState.BLOCKED.value:
            print_reason(reason)
    for line in doubt_lines(doubts, prepared.order.results, names_of(prepared.plan.rows)):
        print(line)


def _money_line(told: dict[str, Any]) -> str:
    """What these rows cost, and what the ledger knows beyond them: earlier takes, rows gone."""
    charged, in_all = Decimal(told["charged_usd"]), Decimal(told["ledger_usd"])
    reserved, unknown = Decimal(told["reserved_usd"]), told["unknown_charges"]
    words = [f"${charged:,.2f} charged for these rows"]
    if in_all != charged:
        words.append(f"${in_all:,.2f} in all that the ledger knows")
    if reserved:
        words.append(f"${reserved:,.2f} set aside")
    if unknown:
        words.append(f"{unknown} charges that no vendor has told")
    return ", ".join(words)


def _doubt_record(doubt: Doubt) -> dict[str, Any]:
    return {
        "job_key": doubt.key,
        "attempt": doubt.attempt,
        "provider": doubt.provider,
        "sent_at": doubt.intended_at.isoformat(),
        "upper_bound_usd": doubt.upper_bound,
        "remedy": PROVIDERS[doubt.provider].LOST_ANSWER.remedy,
    }
