"""An order -> the tables, what is known already, and the plan. Spends nothing.

Lines that are done and unchanged are recognised by column and never become objects; of the others
every medium is examined, every row planned, and the plan laid beside the ledger.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

import pyarrow as pa

from omnihuman_blocks.catalogue.joining import joined_clips
from omnihuman_blocks.catalogue.loading import load_block, load_speech_block
from omnihuman_blocks.catalogue.outcomes import read_outcomes, with_flow_runs
from omnihuman_blocks.catalogue.publishing import published_names
from omnihuman_blocks.catalogue.voicing import NOTHING_SPOKEN, Spoken, voice_rows
from omnihuman_blocks.domain import planning
from omnihuman_blocks.domain.catalogue import catalogue_lines
from omnihuman_blocks.domain.invocation import Invocation
from omnihuman_blocks.domain.job import JobKey, Media, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import Clip, JobOutcome
from omnihuman_blocks.domain.planned import Part, Plan, Verdict
from omnihuman_blocks.domain.planning import Circumstances, Offer
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.domain.row import Entry, Row
from omnihuman_blocks.domain.summary import Summary, summarise_plan
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.edges import dataset
from omnihuman_blocks.edges.coverage import cover_plan, write_coverage
from omnihuman_blocks.edges.fingerprints import fingerprints
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.edges.note import NOTE_FILE, read_note
from omnihuman_blocks.edges.recall import (
    CATALOGUE_FILE,
    Kept,
    Recognised,
    carried_jobs,
    count_bought,
    read_flow_runs,
    read_makers,
    recognise,
    sum_up_kept,
)
from omnihuman_blocks.edges.remembered import (
    LedgerMemory,
    WebMedium,
    digests_by_address,
    look_at_web,
    media_on_the_web,
)
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.sheets import Sheet
from omnihuman_blocks.edges.speech import Speech
from omnihuman_blocks.edges.tables import Asked, Tables, read_tables
from omnihuman_blocks.errors import CannotStart, InvalidRow, OmniHumanError, Refused
from omnihuman_blocks.loop.calling import run_to_end
from omnihuman_blocks.walk.opening import MOST_BYTES, VIDEOS
from omnihuman_blocks.walk.order import (
    BLOCK,
    Again,
    Order,
    Shop,
    columns_of_wishes,
    offers,
    open_shop,
    require_keys,
    require_reachable,
    require_store,
    understood,
)
from omnihuman_blocks.walk.speaking import speech_of
from omnihuman_blocks.walk.walker import Errand

NEVER_BY_ITSELF = frozenset({Refused.__name__, InvalidRow.__name__})
"""Failures that would only happen again: bought once more only where somebody names them."""
MOST_ATTEMPTS = 3
"""After so many a schedule leaves a job alone, until a person asks for it."""
EXAMINED_AT_ONCE = 64
CLIPS = (".mp4", ".webm", ".mov")
"""A folder that has these and no catalogue has lost it: somebody paid for them."""

Address = tuple[MediaKind, str]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that is known before anything is bought."""

    order: Order
    folder: ResultsFolder
    tables: Tables
    recognised: Recognised
    plan: Plan
    outcomes: Mapping[JobKey, JobOutcome]
    again: Mapping[JobKey, bool]
    """Failed jobs that are bought once more; whether somebody named their class."""
    kept: Kept
    """What is behind the recognised rows."""
    flow_runs: Mapping[JobKey, str]
    """Who worked last at a job, before this invocation."""
    spoken: Spoken = NOTHING_SPOKEN
    """What rows speak that do not just speak their recording."""
    clips: Mapping[str, Clip] = field(default_factory=dict)
    """Joined videos that were there before this invocation, by clip key."""

    @property
    def keys(self) -> set[JobKey]:
        """Every job of the planned rows, also those whose price stands in a recognised one."""
        return _keys(self.plan)

    def summary(self) -> Summary:
        """What would be done, and what the rows have cost so far."""
        planned = summarise_plan(self.plan, results=self.order.results, kept_jobs=self.kept.jobs)
        lines = catalogue_lines(self.plan.rows, self.outcomes, self.clips)
        charged = sum((line.cost_usd or Decimal(0) for line in lines), self.kept.charged_usd)
        return replace(planned, charged_usd=charged)

    def errands(self) -> list[Errand]:
        """What this shard has to walk: new, on its way, in doubt, or done and without its file.

        The file of a part is not missed once its row's video has been joined.
        """
        missed = {
            part.job.key
            for row in self.plan.rows
            if row.clip_key not in self.clips
            for part in row.parts
        }
        return [
            Errand(
                job=part.job,
                bound=part.bound,
                again=part.job.key in self.again,
                paid_too=self.again.get(part.job.key, False),
            )
            for part in self.order.shard.parts(self.plan.rows)
            if self._is_open(part, missed)
        ]

    def _is_open(self, part: Part, missed: Collection[JobKey]) -> bool:
        if part.verdict is Verdict.DONE:
            if part.job.key not in missed:
                return False
            clip = self.outcomes[part.job.key].clip
            return clip is not None and not self.folder.has(clip.uri)
        return part.verdict in (Verdict.NEW, Verdict.WAITING, Verdict.IN_DOUBT)


def order_of(results: str, ledger: str | None = None) -> Order:
    """The order that a results folder was made by."""
    note = read_note(ResultsFolder.at(results))
    if note.scripts is None or note.avatars is None:
        raise CannotStart(
            f"{results} was made from DataFrames, which are not kept. Run it again from Python."
        )
    return Order(
        scripts=note.scripts,
        avatars=note.avatars,
        results=results,
        provider=note.provider,
        options=note.options,
        no_split=note.no_split,
        checks=note.checks,
        soft_captions=note.soft_captions,
        ledger=ledger or note.ledger,
        media_store=note.media_store,
        media_store_public=note.media_store_public,
        webhook_url=note.webhook_url,
        speech=note.speech,
        voices=note.voices,
        lexicon=note.lexicon,
    )


def ledger_of(results: str, ledger: str | None) -> str:
    """The ledger's address of a results folder, whose note may be missing or silent."""
    if ledger is not None:
        return ledger
    folder = ResultsFolder.at(results)
    noted = read_note(folder).ledger if folder.has(NOTE_FILE) else None
    return Order(scripts="", avatars="", results=results, provider="", ledger=noted).ledger_address


def open_ledger(order: Order) -> Ledger:
    """The ledger. One that is missing where something was bought is not founded anew."""
    folder = ResultsFolder.at(order.results)
    bought = count_bought(folder) > 0
    if not bought and not folder.has(CATALOGUE_FILE):
        bought = any(name.endswith(CLIPS) for name in folder.names(VIDEOS))
    return Ledger.open(order.ledger_address, must_exist=bought)


def check_order(order: Order) -> None:
    """Finds out what would stop everything before Prefect is started: it takes seconds."""
    if order.provider.startswith(BLOCK):
        return  # only Prefect knows the block
    shop = open_shop(order, os.environ, with_keys=True)
    invocation = understood(order)
    tables = _read(order, shop, invocation)
    require_keys(shop, tables.providers)
    require_reachable(order, shop, tables.providers)
    require_store(shop)
    offers(shop, invocation)
    if order.speech is None or not order.speech.startswith(BLOCK):
        speech_of(order, os.environ)
    open_ledger(order).close()


def plan_order(order: Order) -> Prepared:
    """What would be bought. Spends nothing and needs no key."""
    block = load_block(order.provider)
    shop = open_shop(order, os.environ, with_keys=False, block=block)
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=False)
    write_plan(prepared)
    return prepared


def prepare(order: Order, shop: Shop, ledger: Ledger, *, buying: bool) -> Prepared:
    """Reads, recognises, examines, plans and judges. `buying`: keys are needed."""
    invocation = understood(order)
    folder = ResultsFolder.at(order.results)
    tables = _read(order, shop, invocation)
    if buying:
        require_keys(shop, tables.providers)
        require_reachable(order, shop, tables.providers)
        require_store(shop)
    on_offer = offers(shop, invocation)
    speech = speech_of(order, os.environ, block=load_speech_block(order.speech))
    memory = LedgerMemory(ledger)
    settings = _settings(tables, on_offer, speech, order)
    on_the_web = media_on_the_web(tables)
    if on_the_web:
        run_to_end(partial(_look_at_web, on_the_web, on_offer, memory))
    recognised = _recognise(folder, tables, memory, settings, soft=order.soft_captions)
    entries = list(tables.entries(recognised.fresh))
    media = run_to_end(partial(_examine, entries, on_offer, memory))
    memory.flush()
    if entries:
        recognised = replace(recognised, prints=_prints(tables, memory, settings))
    spoken = voice_rows(
        entries,
        on_offer=on_offer,
        media=media,
        speech=speech,
        folder=folder,
        ledger=ledger,
        may_split=not order.no_split,
    )
    plan = planning.plan(
        entries,
        Circumstances(offers=on_offer, media=media, voiced=spoken.rows, strict=order.strict),
        kept=recognised.count,
    )
    keys = _keys(plan)
    flow_runs = read_flow_runs(folder, keys)
    outcomes = with_flow_runs(read_outcomes(ledger, keys), flow_runs)
    again = _again(order.again, outcomes)
    judged = planning.judge(
        plan,
        outcomes,
        again=again,
        carried=carried_jobs(folder, recognised, keys),
        made_by=read_makers(folder, [row.row_id for row in plan.rows]),
        before=read_outcomes(ledger, _keys_before(plan)),
    )
    return Prepared(
        order=order,
        folder=folder,
        tables=tables,
        recognised=recognised,
        plan=judged,
        outcomes=outcomes,
        again=again,
        kept=sum_up_kept(folder, recognised),
        flow_runs=flow_runs,
        spoken=spoken,
        clips=joined_clips(folder, ledger, judged),
    )


def write_plan(prepared: Prepared) -> None:
    """`plan.parquet`: the plan in full, and `coverage.parquet`: what it would leave open."""
    dataset.write_plan(prepared.folder, prepared.plan, prepared.tables, prepared.recognised)
    write_coverage(prepared.folder, covered(prepared))


def covered(prepared: Prepared) -> pa.Table:
    """Scripts, locales and avatars as they stand by the tables of now."""
    return cover_plan(prepared.folder, prepared.plan, prepared.tables, prepared.recognised)


def _keys(plan: Plan) -> set[JobKey]:
    return {part.job.key for row in plan.rows for part in row.parts}


def _keys_before(plan: Plan) -> set[JobKey]:
    """The jobs of texts that were said otherwise."""
    return {key for row in plan.rows for part in row.parts for key, _ in part.before}


def _read(order: Order, shop: Shop, invocation: Invocation) -> Tables:
    asked = Asked(
        provider=shop.default,
        option_names=columns_of_wishes(),
        wishes=invocation.wishes,
        variants=invocation.variants,
    )
    return read_tables(order.scripts, order.avatars, asked)


def _recognise(
    folder: ResultsFolder, tables: Tables, memory: LedgerMemory, settings: Json, *, soft: bool
) -> Recognised:
    """Where captions and posters are not made, nobody asks for them."""
    videos = [f"{VIDEOS}/{name}" for name in folder.names(VIDEOS)]
    shown = published_names(folder) if folder.is_local else None
    prints = _prints(tables, memory, settings)
    return recognise(folder, prints, videos=videos, shown=shown, soft=soft)


def _settings(tables: Tables, on_offer: Mapping[str, Offer], speech: Speech, order: Order) -> Json:
    """All that a row's jobs depend on, apart from its cells and its media."""
    return {
        "strict": order.strict,
        "no_split": order.no_split,
        "speech": speech.settings if _has_texts(tables.scripts) else None,
        "offers": {
            name: {
                "model": offer.model,
                "defaults": {key: str(value) for key, value in offer.defaults.items()},
            }
            for name, offer in on_offer.items()
        },
        "default": tables.asked.provider,
        "wishes": {name: str(value) for name, value in tables.asked.wishes.items()},
    }


def _has_texts(scripts: Sheet) -> bool:
    """Whether a row may have to be spoken; else it does not matter who would speak."""
    is_recorded = scripts.has("audio_uri") and not scripts.ours["audio_uri"].null_count
    return scripts.has("text") and not is_recorded


def _prints(tables: Tables, memory: LedgerMemory, settings: Json) -> pa.Array:
    return fingerprints(tables, remembered=digests_by_address(tables, memory), settings=settings)


# --- media ------------------------------------------------------------------------------------


async def _look_at_web(
    wanted: list[WebMedium], on_offer: Mapping[str, Offer], memory: LedgerMemory
) -> None:
    """Which of them are still as the ledger remembers them; none is read."""
    nearby = _is_nearby(on_offer)
    async with Http() as http:
        await look_at_web(
            wanted, memory, lambda url, known: http.look(url, local=nearby, known=known)
        )


def _is_nearby(on_offer: Mapping[str, Offer]) -> bool:
    return any(offer.is_nearby for offer in on_offer.values())


async def _examine(
    entries: Iterable[Entry], on_offer: Mapping[str, Offer], memory: LedgerMemory
) -> dict[Address, Media | InvalidRow]:
    """Every medium once, whatever the number of rows that name it."""
    wanted = list(dict.fromkeys(_addresses(entries)))
    if not wanted:
        return {}
    nearby = _is_nearby(on_offer)
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="examine") as pool:
        async with Http() as http:
            examiner = Examiner(
                read=partial(http.read, local=nearby, most=MOST_BYTES),
                look=lambda url, known: http.look(url, local=nearby, known=known, most=MOST_BYTES),
                pool=pool,
                memory=memory,
            )
            slots = asyncio.Semaphore(EXAMINED_AT_ONCE)

            async def examine(kind: MediaKind, uri: str) -> Media | InvalidRow:
                async with slots:
                    try:
                        return await examiner.examine(uri, kind, "")
                    except InvalidRow as error:
                        return error
                    except OmniHumanError as error:  # a host that cannot be reached now
                        return InvalidRow(
                            f"`{kind}_uri` cannot be read now: {error}", f"{kind}_uri"
                        )

            found = await asyncio.gather(*(examine(kind, uri) for kind, uri in wanted))
    return dict(zip(wanted, found, strict=True))


def _addresses(entries: Iterable[Entry]) -> Iterator[Address]:
    for entry in entries:
        if isinstance(entry, Row):
            for kind, uri in (
                (MediaKind.IMAGE, entry.image_uri),
                (MediaKind.AUDIO, entry.audio_uri),
                (MediaKind.MASK, entry.mask_uri),
            ):
                if uri is not None:
                    yield kind, uri


# --- what is bought once more -----------------------------------------------------------------


def _again(wish: Again | None, outcomes: Mapping[JobKey, JobOutcome]) -> dict[JobKey, bool]:
    """Failed jobs that this invocation may buy again, and whether their class was named."""
    if wish is None:
        return {}
    chosen = {}
    for key, outcome in outcomes.items():
        if outcome.stage not in (Stage.FAILED, Stage.SPOILED):
            continue
        if wish.is_scheduled and outcome.attempt >= MOST_ATTEMPTS:
            continue
        if outcome.error_class in wish.classes:
            chosen[key] = True
        elif not wish.classes and _may_try(outcome):
            chosen[key] = False
    return chosen


def _may_try(outcome: JobOutcome) -> bool:
    """What was or may have been charged is left alone, and what would only fail again."""
    was_free = outcome.charge is not None and outcome.charge.basis is CostBasis.NOT_CHARGED
    return was_free and outcome.error_class not in NEVER_BY_ITSELF
