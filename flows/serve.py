"""`python -m flows.serve`: all deployments from this one process, for people without a work pool.

It runs until Ctrl-C and takes its schedules with it. What deployments/prefect.yaml takes from the
environment is taken from there here, too; words on the command line come first.
"""

from __future__ import annotations

import argparse
import os

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron

from flows.estimate_catalogue import estimate
from flows.generate_catalogue import generate
from flows.generate_in_shards import generate as generate_in_shards
from flows.reconcile import reconcile
from flows.retry_failed import retry

NIGHTLY = "0 2 * * *"
DAYTIME = "0 8,14 * * *"
SHARDS = 4
MEDIA = ("speech", "voices", "lexicon", "media_store")


def words() -> argparse.ArgumentParser:
    """What has to be said, and what may be."""
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    for name in ("scripts", "avatars", "results", "provider"):
        said = os.environ.get(f"OMNIHUMAN_{name.upper()}")
        parser.add_argument(f"--{name}", default=said, required=not said)
    for name in ("ledger", *MEDIA):
        said = os.environ.get(f"OMNIHUMAN_{name.upper()}")
        parser.add_argument(f"--{name.replace('_', '-')}", default=said)
    parser.add_argument("--budget", type=float, metavar="USD", help="what one run may add at most")
    parser.add_argument("--cron", default=NIGHTLY, help="when to generate (UTC)")
    return parser


def deployments(said: argparse.Namespace) -> list[RunnerDeployment]:
    """The same as in deployments/prefect.yaml."""
    folder = {"results": said.results, "ledger": said.ledger}
    tables = {"scripts": said.scripts, "avatars": said.avatars, "provider": said.provider, **folder}
    budget = {"budget": said.budget}
    media = {name: getattr(said, name) for name in MEDIA}
    all_wishes = tables | media
    # Without their names Prefect would not take the place of schedules that have some.
    nightly = Cron(said.cron, timezone="UTC", slug="nightly")
    daytime = Cron(DAYTIME, timezone="UTC", slug="daytime")
    return [
        generate.to_deployment(
            "generate-catalogue", parameters=all_wishes | budget, schedule=nightly
        ),
        retry.to_deployment("retry-failed", parameters=folder | budget),
        reconcile.to_deployment("reconcile", parameters=folder, schedule=daytime),
        estimate.to_deployment("estimate", parameters=all_wishes),
        generate_in_shards.to_deployment(
            "generate-in-shards", parameters=tables | budget | {"shards": SHARDS}
        ),
    ]


if __name__ == "__main__":
    serve(*deployments(words().parse_args()))
