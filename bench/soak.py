# ruff: noqa: S603, T201 - a bench starts commands and prints
"""A large catalogue at vendors that misbehave: is anything bought twice, lost or wrong?

    python bench/soak.py [--rows 10000] [--vendors runware,fal,pixazo] [--seed 0]

The rows are distinct jobs over a few voices and faces, made by the command `omnihuman generate` in
a process of its own, whose memory is watched. At the vendors 5% of answers to purchases are lost,
10% of all answers are a 5xx or a 429, 3% of jobs fail, and 2% of deliveries are cut short or
somebody else's. Rows that wait for the gate or for a person are what such vendors cost; the command
is started again until nothing moves, and then the sandbox's own count is held against the ledger
and the folder. AI/ML API may be named, too: what it never had is looked for during a quarter of an
hour, so it is not among those that a short run asks.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from omnihuman_blocks.sandbox.render import Studio  # noqa: E402
from omnihuman_blocks.sandbox.server import Sandbox  # noqa: E402
from omnihuman_blocks.sandbox.settings import Settings  # noqa: E402
from tests.fuzz.media import Shelf  # noqa: E402

VOICES = 40
MOST_RUNS = 60
SAMPLE_SECONDS = 5.0
WORD_SECONDS = 60.0
LOST, UNWELL, FAILING, WRONG = 0.05, 0.10, 0.03, 0.02


class OneFace(Studio):
    """Renders each voice once, whatever the face: what is checked is the voice."""

    _face: bytes | None = None

    async def render(self, *, image: bytes, audio: bytes, **more: Any) -> bytes:
        self._face = self._face or image
        return await super().render(image=self._face, audio=audio, **more)


def rules() -> Iterator[dict[str, Any]]:
    """What goes wrong, in the shares that the head of this file names."""

    def rule(operation: str, share: float, kind: str, **more: Any) -> dict[str, Any]:
        effect = {"kind": kind, **more}
        return {"operation": operation, "when": {"probability": share}, "effect": effect}

    yield rule("submit", LOST, "lost_answer")
    for operation in ("submit", "status", "result", "upload", "download"):
        yield rule(operation, UNWELL / 2, "too_many_requests", retry_after=0.2)
        yield rule(operation, UNWELL / 2, "server_error", status=503)
    yield rule("generate", FAILING, "fails", failure="internal", retryable=False)
    yield rule("download", WRONG / 2, "truncated", honest=True)
    yield rule("download", WRONG / 2, "other_video")


def lay(folder: Path, shelf: Shelf, rows: int, vendors: Sequence[str]) -> None:
    """The tables: every row a content of its own, by voice and face."""
    scripts, faces = [], set()
    for row in range(rows):
        vendor, take = vendors[row % len(vendors)], row // len(vendors)
        face, voice = divmod(take, VOICES)
        faces.add((vendor, face))
        scripts.append(
            {
                "script_id": f"s{row}",
                "locale": "de-DE",
                "audio_uri": shelf.audio(vendor, voice)["uri"],
                "avatar_id": f"{vendor}-{face}",
                "provider": vendor,
            }
        )
    avatars = [
        {"avatar_id": f"{vendor}-{face}", "image_uri": shelf.image(vendor, face)["uri"]}
        for vendor, face in sorted(faces)
    ]
    for name, table in (("scripts", scripts), ("avatars", avatars)):
        pq.write_table(pa.Table.from_pylist(table), folder / f"{name}.parquet")


class Watch:
    """The resident memory of a process, looked at now and then, in megabytes."""

    def __init__(self, pid: int) -> None:
        self.seen: list[float] = []
        self._status = Path(f"/proc/{pid}/status")
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while self._status.exists():
            try:
                for line in self._status.read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        self.seen.append(int(line.split()[1]) / 1024)
            except OSError:
                return
            time.sleep(SAMPLE_SECONDS)

    def told(self) -> str:
        """At a quarter, half, three quarters and the end of the run, and the most of all."""
        if not self.seen:
            return "no sample"
        last = len(self.seen) - 1
        quarters = ", ".join(f"{self.seen[last * part // 4]:.0f}" for part in (1, 2, 3, 4))
        return f"{quarters} MB; most {max(self.seen):.0f} MB"


def generate(folder: Path, sandbox: Sandbox, vendor: str) -> tuple[int, Watch, str]:
    """One run of the command: its exit code, its memory, what it said. A word every minute."""
    words = ["generate", "scripts.parquet", "avatars.parquet", "--results", "out", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "omnihuman_blocks", *words, "--provider", vendor],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **sandbox.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch = Watch(process.pid)
    while True:
        try:
            out, err = process.communicate(timeout=WORD_SECONDS)
        except subprocess.TimeoutExpired:
            made = sum(1 for _ in folder.glob("out/videos/*.mp4"))
            print(f"  {sandbox.counts().accepted():,} bought, {made:,} here", flush=True)
        else:
            return process.returncode, watch, out or err[-2000:]


def judge(sandbox: Sandbox, folder: Path) -> dict[str, int]:
    """The vendors' own count against the ledger's file and the videos."""
    counts = sandbox.counts()
    bought = [] if sandbox.house is None else sandbox.house.desk.engine.bought
    film = {job.order.ticket: sha256(job.film).hexdigest() for job in bought if job.film}
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        attempts = ledger.execute("SELECT job_key, stage, ticket_id FROM attempts").fetchall()
        clips = dict(ledger.execute("SELECT job_key, file FROM clips").fetchall())
    known = {ticket for _, _, ticket in attempts if ticket}
    doubts = sum(stage in ("in_doubt", "intended") for _, stage, _ in attempts)
    lost = [one for one in counts.purchases if one.ticket not in known]
    wrong = missing = 0
    for key, stage, ticket in attempts:
        if stage == "done":
            file = folder / "videos" / clips[key]
            missing += not file.is_file()
            wrong += file.is_file() and sha256(file.read_bytes()).hexdigest() != film[ticket]
    return {
        "accepted": counts.accepted(),
        "charged": counts.charged(),
        "duplicates": sum(take.charged > 1 for take in counts.contents),
        "accepted and held in doubt": len(lost),
        "lost": max(0, len(lost) - doubts),
        "wrong files accepted": wrong,
        "files missing": missing,
    }


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--rows", type=int, default=10_000)
    words.add_argument("--vendors", default="runware,fal,pixazo")
    words.add_argument("--seed", type=int, default=0)
    told = words.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # clients that hang up
    vendors = told.vendors.split(",")
    settings = Settings(time_scale=0.02)
    settings.aimlapi.logs_per_minute = None
    for vendor in vendors:
        settings.change({vendor: {"slots": 100}})
    made = [{**rule, "id": f"soak-{n}", "seed": told.seed} for n, rule in enumerate(rules())]
    with (
        tempfile.TemporaryDirectory(prefix="omnihuman-soak-") as name,
        Sandbox(settings=settings, faults=made, studio=OneFace()) as sandbox,
    ):
        folder = Path(name)
        lay(folder, Shelf(folder / "media", sandbox), told.rows, vendors)
        began, before = time.monotonic(), None
        for run in range(MOST_RUNS):
            code, watch, said = generate(folder, sandbox, vendors[0])
            try:
                rows = {state: n for state, n in json.loads(said)["rows"].items() if n}
            except ValueError:  # a machine that is too busy for Prefect's server: once more
                print(f"run {run + 1}: exit {code}: {said.strip().splitlines()[-1:]}", flush=True)
                continue
            seconds = time.monotonic() - began
            print(f"run {run + 1}: exit {code}, {seconds:.0f} s, {rows}", flush=True)
            print(f"  memory of the command: {watch.told()}", flush=True)
            if rows == before:
                break
            before = rows
        found = judge(sandbox, folder / "out")
        struck: Counter[str] = Counter()
        for rule in sandbox.faults.rules:
            struck[rule.effect.kind] += sandbox.counts().faults[rule.id]
        print(f"{told.rows} rows, seed {told.seed}; faults: {dict(struck)}")
        for what, number in found.items():
            print(f"  {what}: {number}")
        bad = ("duplicates", "lost", "wrong files accepted", "files missing")
        return int(any(found[what] for what in bad))


if __name__ == "__main__":
    sys.exit(main())
