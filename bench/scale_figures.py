"""What one more row costs where it is kept: in the ledger, in a bucket, in a Delta table.

    python bench/scale_figures.py [--jobs 2000] [--lines 100000] [--videos 20]

The ledger's jobs go through all stages, with a body and addresses as long as a vendor's. The
bucket is moto's on loopback, which counts requests; the Delta table is on a local disk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from shards import _database, _postgres, _size  # beside this file

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
from omnihuman_blocks.edges.columns import CATALOGUE
from omnihuman_blocks.edges.delta import commit_changes
from omnihuman_blocks.edges.depot import Depot
from omnihuman_blocks.edges.ledger import Clip, Intended, Ledger, Wish
from omnihuman_blocks.edges.results_folder import ResultsFolder

CHANGED = 0.01
VIDEO_BYTES = 3_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--videos", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omnihuman-") as name:
        folder = Path(name)
        report = {
            "load_before": os.getloadavg()[0],
            "ledger": ledgers(folder, asked.jobs),
            "bucket": bucket(folder, asked.videos),
            "delta": delta(folder, asked.lines),
        }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


# --- ledger -------------------------------------------------------------------------------------


def ledgers(folder: Path, jobs: int) -> dict[str, Any]:
    """Bytes of a finished job, and how long its commits take one after the other."""
    file = folder / "ledger.db"
    found = {}
    with Ledger.open(file):
        pass
    before = file.stat().st_size
    with Ledger.open(file) as ledger:
        seconds = fill(ledger, jobs)
    # Closed: what was still in the write-ahead log is in the file now.
    found["file"] = _figures(file.stat().st_size - before, seconds, jobs)
    with _postgres(folder) as server:
        address = _database(server, "figures")
        with Ledger.open(address) as ledger:
            before = _size(server, "figures")
            seconds = fill(ledger, jobs)
            found["postgresql"] = _figures(_size(server, "figures") - before, seconds, jobs)
    return found


def _figures(size: int, seconds: float, jobs: int) -> dict[str, float]:
    return {"bytes_per_job": round(size / jobs), "ms_per_job": round(seconds / jobs * 1000, 2)}


def fill(ledger: Ledger, jobs: int) -> float:
    """Intent, ticket, ready and delivered: four commits for each job."""
    began = time.perf_counter()
    for number in range(jobs):
        job = _job(number)
        submission = Submission(
            job=job,
            attempt=1,
            image=f"https://store.example/{job.image.sha256}.png",
            audio=f"https://store.example/{job.audio.sha256}.wav",
        )
        body = {"prompt": "p" * 200, "image": submission.image, "audio": submission.audio}
        claim = ledger.intend(Wish(submission=submission, body=body, upper_bound=Decimal("1.76")))
        assert isinstance(claim, Intended)  # noqa: S101 - every job is new
        ledger.accept(claim, Ticket(provider="fal", model=job.model, id=job.key[:36]))
        video = f"https://vendor.example/files/{job.key}.mp4"
        ledger.finish(job.key, 1, Ready(outputs=(Output(url=video),)))
        clip = Clip(
            file=f"{job.key}.mp4",
            sha256=job.key,
            size=VIDEO_BYTES,
            width=1080,
            height=1920,
            seconds=Decimal("9.5"),
        )
        ledger.deliver(job.key, 1, clip, checks={"likeness": "0.98", "black": "0"})
    return time.perf_counter() - began


def _job(number: int) -> Job:
    def medium(kind: MediaKind, name: str) -> Media:
        digest = sha256(name.encode()).hexdigest()
        return Media(kind=kind, uri=name, sha256=digest, size=1, format="x", seconds=Decimal("9.5"))

    return Job(
        key=JobKey(sha256(str(number).encode()).hexdigest()),
        provider="fal",
        model="omnihuman/v1.5",
        image=medium(MediaKind.IMAGE, f"faces/{number % 50}.png"),
        audio=medium(MediaKind.AUDIO, f"audio/{number}.wav"),
        options=Options(),
    )


# --- bucket -------------------------------------------------------------------------------------


def bucket(folder: Path, videos: int) -> dict[str, Any]:
    """Requests for each video that is brought, and for each that is looked for."""
    with _s3(folder) as log:
        import fsspec  # noqa: PLC0415 - reads the environment

        fsspec.filesystem("s3").mkdir("bench")
        depot = Depot(results=ResultsFolder.at("s3://bench/out"), folder="videos")
        counts = {}
        for size in (VIDEO_BYTES, 4 * VIDEO_BYTES):
            seen = len(log.read_text())
            for number in range(videos):
                path = folder / f"{size}-{number}.mp4"
                path.write_bytes(bytes(size))
                depot.bring(path)
            counts[f"brought, {size / 1e6:g} MB"] = _asked(log, seen, videos)
        seen = len(log.read_text())
        for number in range(videos):
            depot.has(f"{VIDEO_BYTES}-{number}.mp4", VIDEO_BYTES)
        counts["looked for"] = _asked(log, seen, videos)
    return counts


def _asked(log: Path, seen: int, videos: int) -> dict[str, float]:
    verbs = Counter(re.findall(r'"(GET|PUT|HEAD|POST) /', log.read_text()[seen:]))
    return {verb: round(count / videos, 2) for verb, count in verbs.items()}


@contextmanager
def _s3(folder: Path) -> Iterator[Path]:
    log = folder / "s3.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    address = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:  # noqa: S603 - our own
        try:
            while True:
                try:
                    urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()  # noqa: S310
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.1)
            yield log
        finally:
            process.kill()


# --- Delta --------------------------------------------------------------------------------------


def delta(folder: Path, lines: int) -> dict[str, Any]:
    """Seconds of processor: the whole table, one line in a hundred, and nothing."""
    results, url = ResultsFolder.at(folder), str(folder / "delta")
    step = round(1 / CHANGED)
    found: dict[str, Any] = {"lines": lines}
    for name, cost in (("all", "1.6"), ("one in a hundred", "1.7"), ("nothing", "1.7")):
        rows = [_line(number, cost if not number % step else "1.6") for number in range(lines)]
        table = pa.Table.from_pylist(rows, schema=CATALOGUE)
        pq.write_table(table, folder / "catalogue.parquet", compression="zstd")
        del rows, table
        began = time.process_time()
        committed = commit_changes(results, url)
        spent = time.process_time() - began
        found[name] = {"written": committed.written, "processor_seconds": round(spent, 2)}
    return found


def _line(number: int, cost: str) -> dict[str, Any]:
    key = sha256(str(number).encode()).hexdigest()
    part = {"job_key": key, "attempt": 1, "ticket": key[:36], "state": "done"}
    return {
        "row_id": key[:24],
        "script_id": f"script-{number}",
        "locale": "de-DE",
        "avatar_id": f"avatar-{number % 50}",
        "variant": 1,
        "clip_key": key,
        "parts": [part],
        "state": "done",
        "provider": "fal",
        "model": "omnihuman/v1.5",
        "video_uri": f"videos/{key}.mp4",
        "video_sha256": key,
        "cost_usd": Decimal(cost),
        "submitted_at": datetime(2026, 9, 1, tzinfo=UTC),
    }


if __name__ == "__main__":
    main()
