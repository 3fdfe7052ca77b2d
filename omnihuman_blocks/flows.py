"""The catalogue as Prefect flows. Each says what may be asked; `making` does it, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from omnihuman_blocks.catalogue.making import (
    Told,
    make_catalogue,
    or_cannot_start,
    runner,
    settle_catalogue,
)
from omnihuman_blocks.catalogue.preparing import order_of, plan_order
from omnihuman_blocks.catalogue.sharding_runs import make_in_shards
from omnihuman_blocks.domain.sharding import Shard
from omnihuman_blocks.domain.summary import plan_text
from omnihuman_blocks.walk.order import Again, Order


@flow(
    name="generate-catalogue",
    flow_run_name="catalogue {results}",
    task_runner=runner(),
    validate_parameters=False,
    persist_result=False,
)
def generate_catalogue(
    scripts: str,
    avatars: str,
    results: str,
    provider: str,
    *,
    budget: float | str | None = None,
    prices: Mapping[str, float | str] | None = None,
    options: Mapping[str, Any] | None = None,
    max_in_flight: int | None = None,
    retry_failed: bool = False,
    only: Sequence[str] | None = None,
    strict: bool = False,
    no_split: bool = False,
    checks: Mapping[str, float | str] | None = None,
    soft_captions: bool = False,
    ledger: str | None = None,
    webhook_url: str | None = None,
    patience_seconds: float = 7200.0,
    speech: str | None = None,
    voices: str | None = None,
    lexicon: str | None = None,
    media_store: str | None = None,
    media_store_public: str | None = None,
    shard: str = "1/1",
    budget_name: str | None = None,
    batches: int | None = None,
) -> State[Told]:
    """Makes every video of two tables that is not there yet, and writes the catalogue.

    Run it again as often as you like: what is done is skipped, what was bought is waited for.

    Args:
        scripts: Address of the table of scripts (Parquet or CSV).
        avatars: Address of the table of avatars.
        results: Folder that receives catalogue, videos and ledger.
        provider: A vendor's name, or `block:TYPE-SLUG/NAME`.
        budget: What this run may add at most, in dollars.
        prices: Dollars per second by vendor, where you know better than the package.
        options: Wishes for all rows, such as `resolution` or `model`.
        max_in_flight: Jobs at one vendor at once.
        retry_failed: Buy failed jobs again that cost nothing.
        only: Classes of errors whose jobs are bought again, whatever they cost.
        strict: Reject rows with wishes that the model cannot honour.
        no_split: Reject speech that is longer than a model takes, instead of buying it in parts.
        checks: Thresholds of the checks by name, such as `black`; `off` turns one off.
        soft_captions: Also keep each video with its captions as a track of its own.
        ledger: Address of the ledger, where it is not the file in the results folder.
        webhook_url: Public address under which vendors reach `omnihuman webhooks`.
        patience_seconds: How long a job is waited for before it is left for the next run.
        speech: Who speaks text: `espeak`, `openai:URL` or `block:NAME`.
        voices: Address of a file that says which voice is meant in which locale.
        lexicon: Address of a table that says how words are said.
        media_store: Bucket for media that a vendor takes no upload of.
        media_store_public: Address at which everybody can read it; else addresses are signed.
        shard: Which part of the rows this run makes: `2/4` is the second of four.
        budget_name: Runs that name their budget alike share it.
        batches: Into how many task runs the jobs are divided, where a task runner has few slots.
    """
    return make_catalogue(
        lambda: Order(
            scripts=scripts,
            avatars=avatars,
            results=results,
            provider=provider,
            options=options or {},
            budget=_dollars(budget),
            prices=_prices(prices),
            max_in_flight=max_in_flight,
            again=Again(classes=frozenset(only or ()), is_scheduled=True)
            if retry_failed or only
            else None,
            strict=strict,
            no_split=no_split,
            checks=_words(checks),
            soft_captions=soft_captions,
            ledger=ledger,
            webhook_url=webhook_url,
            patience_seconds=patience_seconds,
            media_store=media_store,
            media_store_public=media_store_public,
            speech=speech,
            voices=voices,
            lexicon=lexicon,
            shard=Shard.parse(shard),
            budget_name=budget_name,
            batches=batches,
        )
    )


@flow(
    name="generate-in-shards",
    flow_run_name="{shards} shards of {results}",
    validate_parameters=False,
    persist_result=False,
)
def generate_in_shards(
    scripts: str,
    avatars: str,
    results: str,
    provider: str,
    *,
    shards: int = 4,
    ledger: str | None = None,
    budget: float | str | None = None,
    options: Mapping[str, Any] | None = None,
    max_in_flight: int | None = None,
    deployment: str = "omnihuman-generate-catalogue/generate-catalogue",
    restarts: int = 2,
    poll_seconds: float = 5.0,
) -> State[Told]:
    """Makes one catalogue by several runs of a deployment, wherever its work pool runs them.

    Args:
        scripts: Address of the table of scripts, which every machine can read.
        avatars: Address of the table of avatars.
        results: Folder of the results: object storage, or a folder that all machines share.
        provider: A vendor's name, or `block:TYPE-SLUG/NAME`.
        shards: How many runs.
        ledger: The PostgreSQL ledger that all of them share.
        budget: What all of them together may add at most, in dollars.
        options: Wishes for all rows.
        max_in_flight: Jobs of all of them together at one vendor at once.
        deployment: `FLOW/NAME` of the deployment that makes a shard: of `generate_catalogue`.
        restarts: How often the run of one shard is started again after its process died.
        poll_seconds: How often Prefect is asked how they are.
    """
    parameters = {
        "scripts": scripts,
        "avatars": avatars,
        "results": results,
        "provider": provider,
        "budget": None if budget is None else float(budget),
        "options": dict(options or {}),
        "max_in_flight": max_in_flight,
        "ledger": ledger,
    }
    return or_cannot_start(
        lambda: make_in_shards(
            deployment,
            parameters,
            shards=shards,
            restarts=restarts,
            poll_seconds=poll_seconds,
        )
    )


@flow(
    name="retry-failed",
    flow_run_name="retry {results}",
    task_runner=runner(),
    validate_parameters=False,
    persist_result=False,
)
def retry_failed(
    results: str,
    only: Sequence[str] | None = None,
    budget: float | str | None = None,
    max_in_flight: int | None = None,
    ledger: str | None = None,
    *,
    checks: Mapping[str, float | str] | None = None,
    is_scheduled: bool = False,
    webhook_url: str | None = None,
    speech: str | None = None,
    voices: str | None = None,
    lexicon: str | None = None,
    media_store: str | None = None,
    media_store_public: str | None = None,
) -> State[Told]:
    """Buys failed jobs of a results folder again, as new attempts: those that cost nothing.

    Args:
        results: A results folder.
        only: Classes of errors whose jobs are bought again, whatever they cost.
        budget: What this run may add at most, in dollars.
        max_in_flight: Jobs at one vendor at once.
        ledger: Address of the ledger, where it is not the file in the results folder.
        checks: Thresholds of the checks that are to be others than they were. A paid file that
            was kept aside and passes now is delivered, not bought again.
        is_scheduled: Nobody asks, it comes around by itself: a job is left alone after three
            attempts.
        webhook_url: Public address under which vendors reach `omnihuman webhooks`, where it is
            not the one that the folder was made with.
        speech: Who speaks text, where it is not who the folder was made with.
        voices: Address of the file of voices, where it is another one.
        lexicon: Address of the lexicon, where it is another one.
        media_store: Bucket for media, where it is another one.
        media_store_public: Address at which everybody can read it.
    """

    def order() -> Order:
        noted = order_of(results, ledger).with_store(media_store, media_store_public)
        return replace(
            noted,
            again=Again(classes=frozenset(only or ()), is_scheduled=is_scheduled),
            checks={**noted.checks, **_words(checks)},
            budget=_dollars(budget),
            max_in_flight=max_in_flight,
            webhook_url=webhook_url or noted.webhook_url,
            speech=speech or noted.speech,
            voices=voices or noted.voices,
            lexicon=lexicon or noted.lexicon,
        )

    return make_catalogue(order)


@flow(
    name="reconcile",
    flow_run_name="reconcile {results}",
    task_runner=runner(),
    validate_parameters=False,
    persist_result=False,
)
def reconcile(
    results: str, ledger: str | None = None, patience_seconds: float = 900.0
) -> State[Told]:
    """Finds out what became of purchases whose answers were lost, and fetches what was bought.

    Buys nothing new. Ends `InDoubt` where a person is needed, with what to look for as a table.

    Args:
        results: A results folder.
        ledger: Address of the ledger, where it is not the file in the results folder.
        patience_seconds: How long a job is waited for before it is left for the next run.
    """
    return settle_catalogue(
        lambda: replace(order_of(results, ledger), patience_seconds=patience_seconds)
    )


@flow(
    name="estimate-catalogue",
    flow_run_name="estimate {results}",
    validate_parameters=False,
    persist_result=False,
)
def estimate_catalogue(
    scripts: str,
    avatars: str,
    results: str,
    provider: str,
    *,
    options: Mapping[str, Any] | None = None,
    prices: Mapping[str, float | str] | None = None,
    ledger: str | None = None,
    speech: str | None = None,
    voices: str | None = None,
    lexicon: str | None = None,
    media_store: str | None = None,
) -> Told:
    """What generating would buy and cost, as an artifact. Spends nothing and needs no key.

    Args:
        scripts: Address of the table of scripts.
        avatars: Address of the table of avatars.
        results: The results folder that it would be generated into.
        provider: A vendor's name, or `block:TYPE-SLUG/NAME`.
        options: Wishes for all rows.
        prices: Dollars per second by vendor.
        ledger: Address of the ledger.
        speech: Who speaks text: `espeak`, `openai:URL` or `block:NAME`.
        voices: Address of a file that says which voice is meant in which locale.
        lexicon: Address of a table that says how words are said.
        media_store: Bucket for media that a vendor takes no upload of.
    """
    prepared = plan_order(
        Order(
            scripts=scripts,
            avatars=avatars,
            results=results,
            provider=provider,
            options=options or {},
            prices=_prices(prices),
            ledger=ledger,
            speech=speech,
            voices=voices,
            lexicon=lexicon,
            media_store=media_store,
        )
    )
    text = plan_text(prepared.plan)
    create_markdown_artifact(f"```\n{text}\n```", key="omnihuman-quote", description=results)
    return dict(prepared.summary().as_json())


def _dollars(amount: float | str | None) -> Decimal | None:
    """A form sends fractions; written out they are the amount that was meant."""
    return None if amount is None else Decimal(str(amount))


def _words(checks: Mapping[str, float | str] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (checks or {}).items()}


def _prices(prices: Mapping[str, float | str] | None) -> dict[str, Decimal]:
    return {name: Decimal(str(usd)) for name, usd in (prices or {}).items()}
