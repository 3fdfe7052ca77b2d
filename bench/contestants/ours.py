"""`omnihuman generate`, whole: plan, ledger, checks, posters, history and Prefect. In this process,
so that its processor time and memory can be read; the words are those of the command line.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from entry import Race


def lay_tables(race: Race, folder: Path) -> None:
    """The rows as the tables that the command takes."""
    faces = {job["image"]: f"face {number}" for number, job in enumerate(race.jobs)}
    scripts = [
        {
            "script_id": f"s{number}",
            "locale": "en",
            "avatar_id": faces[job["image"]],
            "audio_uri": job["audio"],
            "prompt": job["prompt"],
        }
        for number, job in enumerate(race.jobs)
    ]
    avatars = [{"avatar_id": name, "image_uri": image} for image, name in faces.items()]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(scripts), folder / "scripts.parquet")
    pq.write_table(pa.Table.from_pylist(avatars), folder / "avatars.parquet")


def words(race: Race, folder: Path) -> list[str]:
    """The command line."""
    provider = race.options["provider"]
    size = ["--option", "resolution=720p"] if provider == "fal" else []
    tables = [str(folder / "scripts.parquet"), str(folder / "avatars.parquet")]
    where = ["--results", str(race.out / "results"), "--provider", provider, "--json"]
    return ["generate", *tables, *where, *size, "--max-in-flight", str(race.at_once)]


def remember_looks() -> None:
    """Each file is looked into once and then known by its bytes: what is left is all that is not
    work on media. Only for the measurement that says so.
    """
    from hashlib import sha256  # noqa: PLC0415

    from omnihuman_blocks.edges import delivery  # noqa: PLC0415

    known = {}
    look = delivery.clip_facts

    def remembered(path, audio):  # noqa: ANN001, ANN202
        digest = sha256(path.read_bytes()).digest()
        if digest not in known:
            known[digest] = look(path, audio)
        return known[digest]

    delivery.clip_facts = remembered


def count_requests(vendor: str) -> list[str]:
    """Every HTTP request to the vendor from now on. The sandbox counts the questions, of which
    many may be in one request; inputs, which are read before anything is bought, do not count.
    """
    import httpx  # noqa: PLC0415

    seen: list[str] = []
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def counted(self, request):  # noqa: ANN001, ANN202
        url = str(request.url)
        if url.startswith(vendor) and not url.startswith(f"{vendor}/media/"):
            seen.append(request.method)
        return await send(self, request)

    httpx.AsyncHTTPTransport.handle_async_request = counted
    return seen


def last_delivery(ledger: Path) -> float:
    """When the last file was checked, had its name, and stood in the ledger."""
    with contextlib.closing(sqlite3.connect(ledger)) as book:
        (moment,) = book.execute("SELECT max(done_at) FROM attempts").fetchone()
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


def main() -> None:
    """Imports first: what they take belongs to the start."""
    from omnihuman_blocks.commands import prefect_here  # noqa: PLC0415

    race = Race.read()
    os.environ.update({**prefect_here.QUIET, **race.environment})
    import omnihuman_blocks.flows  # noqa: F401, PLC0415
    from omnihuman_blocks.cli import main as command  # noqa: PLC0415

    folder = race.out / "tables"
    lay_tables(race, folder)
    if race.options.get("without_media"):
        remember_looks()
    asked = count_requests(race.environment["OMNIHUMAN_SANDBOX_URL"])
    race = Race.read()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = command(words(race, folder))
    rows = json.loads(said.getvalue()).get("rows", {}) if code in (0, 1) else {}
    if rows.get("done") != len(race.jobs):
        raise SystemExit(f"omnihuman ended with {code}: {said.getvalue()[-1500:]}")
    race.ended(last_delivery(race.out / "results" / "ledger.db"), http_requests=len(asked))


if __name__ == "__main__":
    main()
