"""Deaths of the whole command, with tables, Prefect and a catalogue: a handful."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.walk.borders import Border
from tests.fuzz import judge
from tests.fuzz.media import Shelf
from tests.fuzz.rounds import now_and_then, rule, vendor_of
from tests.fuzz.world import QUICK, End, World, Zygote

pytestmark = pytest.mark.xdist_group("commands")

JOBS = 16
RULES = (
    rule("submit", "lost_answer", when=now_and_then(0.1)),
    rule("submit", "too_many_requests", retry_after=0.01, when=now_and_then(0.2)),
    rule("status", "server_error", status=502, form="html", when=now_and_then(0.1)),
    rule("download", "truncated", honest=True, when=now_and_then(0.1)),
)
DEATHS: tuple[dict[str, Any], ...] = (
    {"border": Border.AFTER_ANSWER, "nth": 3, "after": 0.0},
    {"border": Border.BEFORE_RENAME, "nth": 2, "after": 0.0},
)
SECONDS = 2.0
"""After which one is killed wherever it is."""
STATES = {"done": "done", "failed": "failed", "spoiled": "failed", "in_doubt": "in_doubt"}


@pytest.fixture
def here(prefect_server: str, tmp_path: Path) -> Iterator[World]:
    settings = Settings(time_scale=QUICK)
    settings.aimlapi.logs_per_minute = None
    quiet = {"PREFECT_API_URL": prefect_server}
    with (
        Sandbox(settings=settings) as sandbox,
        Zygote("--commands", environment=quiet) as zygote,
    ):
        yield World(sandbox, zygote, Shelf(tmp_path / "media", sandbox), tmp_path)


def lay(here: World) -> None:
    """The tables: each row has a voice of its own."""
    scripts: list[dict[str, Any]] = []
    avatars: dict[str, str] = {}
    for job in range(JOBS):
        vendor = vendor_of(job)
        image, audio = here.shelf.image(vendor)["uri"], here.shelf.audio(vendor, job)["uri"]
        face = avatars.setdefault(image, f"face{len(avatars)}")
        row = {"script_id": f"s{job}", "locale": "de-DE", "audio_uri": audio}
        scripts.append({**row, "avatar_id": face, "provider": vendor})
    faces = [{"avatar_id": name, "image_uri": image} for image, name in avatars.items()]
    for name, rows in (("scripts", scripts), ("avatars", faces)):
        pq.write_table(pa.Table.from_pylist(rows), here.folder / f"{name}.parquet")


def generate(here: World, **death: Any) -> End:
    words = "generate scripts.parquet avatars.parquet --results out --provider runware --json"
    plan = here.plan(here.folder, [], **death)
    (end,) = here.zygote.fork({**plan, "command": words.split()})
    return end


def book(here: World) -> judge.Book:
    return judge.Book.read(here.folder / "out" / "ledger.db")


def test_a_command_that_is_killed_again_and_again_ends_complete(here: World) -> None:
    """Deaths at borders and at a random time; then the same command to its end."""
    lay(here)
    for number, each in enumerate(RULES):
        here.sandbox.faults.add({**each, "id": f"rule-{number}", "seed": number})
    for death in DEATHS:
        assert generate(here, death=death).killed
        assert list(judge.at_any_moment(here.sandbox.counts().purchases, book(here))) == []
    generate(here, kill_after=SECONDS)
    here.sandbox.faults.clear()
    end = generate(here)
    assert end.code in (0, 4), end.said
    found = judge.at_the_end(
        here.sandbox, book(here), here.folder / "out", jobs=JOBS, always_wrong=()
    )
    assert list(found) == []
    stages = {key: row["stage"] for key, row in book(here).latest().items()}
    lines = pq.read_table(here.folder / "out" / "catalogue.parquet").to_pylist()
    assert len(lines) == JOBS
    assert {row["clip_key"]: row["state"] for row in lines} == {
        key: STATES[stage] for key, stage in stages.items()
    }
    assert (end.code == 4) == ("in_doubt" in stages.values())
