"""`export`: the catalogue as a Delta table, of which only what has changed is written."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from omnihuman_blocks.catalogue.preparing import ledger_of
from omnihuman_blocks.commands.words import Commands, add_command, add_ledger, print_json
from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.edges.delta import commit_changes
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.results_folder import ResultsFolder


def add_export(commands: Commands) -> None:
    """`omnihuman export`"""
    words = add_command(
        commands,
        "export",
        says="write the lines of the catalogue that have changed to a Delta table",
        example="omnihuman export out --delta s3://bucket/catalogue",
    )
    words.add_argument("results", metavar="DIR", help="the results folder")
    words.add_argument("--delta", required=True, metavar="URL", help="where the table is, or goes")
    add_ledger(words)
    words.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> int:
    """One committer at a time, whoever calls: the ledger gives out turns."""
    url = arguments.delta if "://" in arguments.delta else os.path.abspath(arguments.delta)  # noqa: PTH100 - an address
    folder = ResultsFolder.at(arguments.results)
    ledger_address = ledger_of(arguments.results, arguments.ledger)
    with Ledger.open(ledger_address, must_exist=True) as ledger, ledger.turn(f"delta {url}"):
        committed = commit_changes(folder, url)
    if arguments.json:
        print_json({**asdict(committed), "delta": without_credentials(url)})
        return 0
    print(
        f"{committed.written:,} lines written, {committed.removed:,} removed, of "
        f"{committed.lines:,}. {without_credentials(url)} is at version {committed.version}."
    )
    return 0
