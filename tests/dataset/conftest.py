"""A small catalogue, planned from tables with made-up media, and written to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from omnihuman_blocks.domain.job import JobKey, Media, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options, content
from omnihuman_blocks.domain.outcome import Clip, JobOutcome
from omnihuman_blocks.domain.planned import Plan
from omnihuman_blocks.domain.planning import Circumstances, Offer, judge, plan
from omnihuman_blocks.domain.pricing import Charge, CostBasis, Price
from omnihuman_blocks.domain.row import Row
from omnihuman_blocks.edges.dataset import write_catalogue, write_plan
from omnihuman_blocks.edges.fingerprints import fingerprints
from omnihuman_blocks.edges.recall import Recognised, carried_jobs, recognise
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.tables import Asked, Tables, read_tables

WHEN = datetime(2026, 9, 1, 12, 30, 15, 123456, tzinfo=UTC)


class Wishes(Options):
    """Options of a made-up vendor."""

    prompt: str | None = content(None, "prompt", "What to do.")


OFFER = Offer(
    provider="fal",
    model="omnihuman/v1.5",
    options=Wishes,
    limits=lambda _: Limits(),
    price=Price(usd_per_second=Decimal("0.16"), as_of=date(2026, 9, 1), source="made up"),
    stages=frozenset(MediaKind),
)


def digest(uri: str) -> str:
    return sha256(uri.encode()).hexdigest()


@dataclass
class Workshop:
    """Tables that can be changed, a results folder, and the steps between the two."""

    folder: ResultsFolder
    scripts: pd.DataFrame
    avatars: pd.DataFrame
    settings: str = "usual"
    digests: dict[str, str] = field(default_factory=dict)
    """Media whose content changed, by address."""

    def read(self) -> Tables:
        asked = Asked(provider="fal", option_names=frozenset({"prompt", "seed"}))
        return read_tables(self.scripts, self.avatars, asked, folder="/in")

    def memory(self, tables: Tables) -> dict[str, str]:
        named = [
            uri
            for row in tables.entries()
            if isinstance(row, Row)
            for uri in (row.image_uri, row.audio_uri)
            if uri is not None
        ]
        return {uri: digest(uri) for uri in named} | self.digests

    def plan(self) -> tuple[Plan, Tables, Recognised]:
        tables = self.read()
        memory = self.memory(tables)
        prints = fingerprints(tables, remembered=memory, settings=self.settings)
        known = recognise(self.folder, prints)
        media = {
            (kind, uri): Media(
                kind=kind, uri=uri, sha256=sha, size=5, format="x", seconds=Decimal(10)
            )
            for uri, sha in memory.items()
            for kind in (MediaKind.IMAGE, MediaKind.AUDIO)
        }
        around = Circumstances(offers={"fal": OFFER}, media=dict(media))
        planned = plan(tables.entries(known.fresh), around, kept=known.count)
        return planned, tables, known

    def write(self, outcomes: Mapping[JobKey, JobOutcome] | None = None) -> Plan:
        """One invocation; jobs without an outcome are done."""
        planned, tables, known = self.plan()
        carried = carried_jobs(self.folder, known, planned.jobs.keys())
        planned = judge(planned, {}, carried=carried)
        found = {key: done(key) for key in [*planned.jobs, *carried]} | dict(outcomes or {})
        write_plan(self.folder, planned, tables, known)
        write_catalogue(self.folder, planned, found, tables, known)
        return planned


def done(key: JobKey, **changes: Any) -> JobOutcome:
    return replace(
        JobOutcome(
            stage=Stage.DONE,
            attempt=1,
            ticket=f"t-{key[:4]}",
            submitted_at=WHEN,
            finished_at=WHEN,
            queue_seconds=Decimal("1.5"),
            generate_seconds=Decimal("40.25"),
            charge=Charge(usd=Decimal("1.5512345"), basis=CostBasis.REPORTED),
            clip=Clip(
                uri=f"videos/{key}.mp4",
                sha256="f" * 64,
                size=3_000_000_000,
                width=720,
                height=1280,
                seconds=Decimal("10.04"),
            ),
            seed=955097142,
            flow_run_id="run-1",
        ),
        **changes,
    )


@pytest.fixture
def make_done() -> Any:
    """The outcome of a job that is done."""
    return done


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Three scripts, two avatars."""
    return Workshop(
        folder=ResultsFolder.at(tmp_path / "results"),
        scripts=pd.DataFrame(
            {
                "script_id": ["../../etc/x", "b", "c"],
                "locale": ["de-DE", "pt_BR", "zh-Hans-CN"],
                "audio_uri": ["a.wav", "b.wav", "c.wav"],
                "prompt": ["wave", None, None],
                "campaign": ["x", "y", "z"],
                "name": ["intro", "offer", "outro"],
                "State": [1, 2, 3],
            }
        ),
        avatars=pd.DataFrame(
            {
                "avatar_id": ["anna", "ben"],
                "image_uri": ["anna.png", "ben.png"],
                "name": ["Anna", "Ben"],
                "consent_until": [pd.Timestamp("2027-01-01", tz="UTC"), pd.NaT],
            }
        ),
    )
