"""The sandbox's own count, the ledger's file and the folder of videos -> everything that is wrong.

The ledger is read here with plain SQL: who judges must not share code with who is judged.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from omnihuman_blocks.sandbox.counts import Purchase
from omnihuman_blocks.sandbox.server import Sandbox

UNKNOWABLE = ("fal", "pixazo")
"""Vendors that offer no way to learn what became of a purchase whose answer was lost."""
LOOKS = 3
"""So many wrong files must have come before one is called spoiled."""
MAY_BE_BOUGHT = ("intended", "in_doubt")


@dataclass(frozen=True)
class Book:
    """The ledger as it stands in its file."""

    jobs: dict[str, dict[str, Any]]
    attempts: list[dict[str, Any]]
    intents: Counter[tuple[str, int]]
    clips: dict[str, dict[str, Any]]
    counters: list[dict[str, Any]]

    @classmethod
    def read(cls, file: Path) -> Book:
        with closing(sqlite3.connect(file)) as connection:
            connection.row_factory = sqlite3.Row

            def rows(query: str) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(query)]

            return cls(
                jobs={row["key"]: row for row in rows("SELECT * FROM jobs")},
                attempts=rows("SELECT * FROM attempts ORDER BY job_key, attempt"),
                intents=Counter(
                    (row["job_key"], row["attempt"])
                    for row in rows("SELECT job_key, attempt FROM intents")
                ),
                clips={row["job_key"]: row for row in rows("SELECT * FROM clips")},
                counters=rows(
                    "SELECT counters.*, cap_micro FROM counters LEFT JOIN caps USING (rule)"
                ),
            )

    def latest(self) -> dict[str, dict[str, Any]]:
        return {row["job_key"]: row for row in self.attempts}

    def content_of(self, key: str) -> tuple[str, str]:
        """By which the sandbox knows it, too: the vendor, and the audio that only this job has."""
        job = self.jobs[key]
        return job["provider"], json.loads(job["media"])["audio"]

    def doubts(self) -> list[dict[str, Any]]:
        return [row for row in self.attempts if row["stage"] == "in_doubt"]


def contents(purchases: Sequence[Purchase]) -> dict[tuple[str, str], list[Purchase]]:
    found: dict[tuple[str, str], list[Purchase]] = defaultdict(list)
    for one in purchases:
        found[one.vendor, one.audio_sha256 or "unread"].append(one)
    return found


def films(sandbox: Sandbox) -> dict[str, str]:
    """By ticket, the digest of the video that was really made."""
    assert sandbox.house is not None
    bought = sandbox.house.desk.engine.bought
    return {job.order.ticket: sha256(job.film).hexdigest() for job in bought if job.film}


def at_any_moment(purchases: Sequence[Purchase], book: Book) -> Iterator[str]:
    """What must hold whenever somebody dies."""
    by_content = contents(purchases)
    keys = {book.content_of(key): key for key in book.jobs}
    attempts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in book.attempts:
        attempts[row["job_key"]].append(row)
    for content, bought in by_content.items():
        if content not in keys:
            yield f"{len(bought)} bought of {content}, which the ledger has never heard of"
            continue
        rows = attempts[keys[content]]
        yield from _duplicates(content, bought, rows, book)
        yield from _lost(content, bought, rows)
    uuids = Counter(one.client_id for one in purchases if one.vendor == "runware")
    yield from (f"taskUUID {uuid} accepted {n} times" for uuid, n in uuids.items() if n > 1)
    yield from _money(book)


def _duplicates(
    content: tuple[str, str], bought: list[Purchase], rows: list[dict[str, Any]], book: Book
) -> Iterator[str]:
    charged = sum(one.charged for one in bought)
    if charged > 1:
        yield f"{content} was charged {charged} times; one take was asked for"
    with_intent = [row for row in rows if book.intents[row["job_key"], row["attempt"]]]
    if len(bought) > len(with_intent):
        yield f"{content} was accepted {len(bought)} times in {len(with_intent)} attempts"
    further = [row["further_tickets"] for row in rows if row["further_tickets"]]
    if further:
        yield f"{content} has stray tickets: {further}"


def _lost(
    content: tuple[str, str], bought: list[Purchase], rows: list[dict[str, Any]]
) -> Iterator[str]:
    """Its ticket stands in the ledger, or an attempt says that it may have been bought."""
    known = {row["ticket_id"] for row in rows}
    unknown = [one.ticket for one in bought if one.ticket not in known]
    doubtful = sum(row["stage"] in MAY_BE_BOUGHT for row in rows)
    if len(unknown) > doubtful:
        yield f"{content}: paid and lost: {unknown}; stages {[row['stage'] for row in rows]}"


def _money(book: Book) -> Iterator[str]:
    """Counters are the sum of their attempts, and within their caps."""
    spent: Counter[str] = Counter()
    reserved: Counter[str] = Counter()
    for row in book.attempts:
        for scope, _ in json.loads(row["scopes"] or "[]"):
            spent[scope] += row["charge_micro"] or 0
            reserved[scope] += row["reserved_micro"] if row["held"] else 0
    for counter in book.counters:
        scope, cap = counter["scope"], counter["cap_micro"]
        told = (counter["spent_micro"], counter["reserved_micro"])
        if told != (spent[scope], reserved[scope]):
            yield f"counter {scope} says {told}, its attempts {spent[scope], reserved[scope]}"
        if cap is not None and sum(told) > cap:
            yield f"counter {scope} is above its cap: {sum(told)} of {cap}"


def at_the_end(
    sandbox: Sandbox, book: Book, folder: Path, *, jobs: int, always_wrong: Sequence[str]
) -> Iterator[str]:
    """What must hold once nothing more can be done. `always_wrong`: audio of spoiled jobs."""
    purchases = sandbox.counts().purchases
    yield from at_any_moment(purchases, book)
    latest, made = book.latest(), films(sandbox)
    if len(latest) != jobs:
        yield f"{len(latest)} jobs in the ledger, {jobs} were asked for"
    by_content = contents(purchases)
    for key, row in latest.items():
        content = book.content_of(key)
        bought = by_content.get(content, [])
        match row["stage"]:
            case "done":
                yield from _not_whole(key, row, book.clips.get(key), made, folder)
            case "in_doubt":
                yield from _needless_doubt(key, row, bought)
            case "spoiled":
                asked = sum(one.requests.get("download", 0) for one in bought)
                if content[1] not in always_wrong and asked < LOOKS:
                    yield f"{key} ({content[0]}) is spoiled: {row['error_message']}"
            case "failed":
                if any(one.charged for one in bought):
                    yield f"{key} ({content[0]}) is failed, and was charged"
            case other:
                yield f"{key} ({content[0]}) ends as {other}: {row['error_message']}"


def _not_whole(
    key: str,
    row: Mapping[str, Any],
    clip: Mapping[str, Any] | None,
    made: Mapping[str, str],
    folder: Path,
) -> Iterator[str]:
    if clip is None:
        yield f"{key} is done and has no clip"
        return
    file = folder / "videos" / clip["file"]
    if not file.is_file():
        yield f"{key} is done and {clip['file']} is not there"
        return
    digest = sha256(file.read_bytes()).hexdigest()
    if digest != clip["sha256"]:
        yield f"{key}: the file is not the one that was checked"
    if digest != made.get(row["ticket_id"]):
        yield f"{key}: a file was accepted that is not the video of {row['ticket_id']}"


def _needless_doubt(key: str, row: Mapping[str, Any], bought: Sequence[Purchase]) -> Iterator[str]:
    """In doubt only where nobody can know: fal and Pixazo, or no trace of it in AIMLAPI's log."""
    vendor = row["scopes"] and next(
        name.removeprefix("vendor:")
        for name, _ in json.loads(row["scopes"])
        if name.startswith("vendor:")
    )
    if vendor in UNKNOWABLE:
        return
    unseen = all(one.client_id != f"omnihuman:{key}:{row['attempt']}" for one in bought)
    if vendor == "aimlapi" and unseen:
        return
    yield f"{key} ({vendor}) is in doubt, and its vendor could tell"
