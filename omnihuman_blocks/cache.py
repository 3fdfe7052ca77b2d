"""A task's inputs -> the name under which Prefect may keep what it returns, or none.

The name is a job's own key and never a hash of what Prefect sees: a path says nothing about the
file behind it, 1 and 1.0 hash differently, and a set hashes differently in every process. Media
are not read for it. A kept answer that names an address counts only while that address exists.
It saves work; what was bought is known by the ledger alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.results import ResultStore

from omnihuman_blocks.domain.addresses import is_web
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.places import Unusable, find, locate
from omnihuman_blocks.errors import OmniHumanError
from omnihuman_blocks.loop.calling import run_to_end
from omnihuman_blocks.videos import VideoClip, VideoReady

ANSWER_SECONDS = 5.0


@dataclass
class JobKeyPolicy(CachePolicy):
    """Names a task's answer by the key of the job among its inputs, and by its attempt.

    `subject` is the input with `key` (and `attempt`). Where it is absent the name is a hash of the
    other inputs, with a file's size and times standing for the file; media on the web have no
    such mark, and the answer is not kept. `vendor` is the input that holds the block.
    """

    subject: str = "job"
    vendor: str = "vendor"

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **_: Any,
    ) -> str | None:
        """The name; the first of its versions that is free, or whose address still exists."""
        del flow_parameters
        name = self._name(task_ctx.task.name, inputs)
        if name is None:
            return None
        is_local = inputs[self.vendor].is_local if self.vendor in inputs else False
        versions = (f"{name}-{version}" for version in count(1))
        return next(each for each in versions if _may_use(task_ctx.result_store, each, is_local))

    def _name(self, task: str, inputs: Mapping[str, Any]) -> str | None:
        block = inputs.get(self.vendor)
        where = None if block is None else block.place
        subject = inputs.get(self.subject)
        if subject is not None:
            attempt = getattr(subject, "attempt", None)
            ticket = getattr(subject, "ticket", None)
            numbered = subject.key if attempt is None else f"{subject.key}-{attempt}"
            return f"omnihuman-{task}-{numbered}-{_digest([where, ticket])[:12]}"
        mark = _mark(inputs, without={self.vendor, self.subject, "again"})
        if mark is None or block is None:
            return None
        asked = [where, block.vendor, block.version, dict(block.wishes()), mark]
        return f"omnihuman-{task}-{_digest(asked)}"


def _mark(inputs: Mapping[str, Any], *, without: set[str]) -> list[Any] | None:
    """What was asked for. A file is known by where it lies, its size and its times."""
    marks: list[Any] = []
    for name, value in sorted(inputs.items()):
        if name in ("image", "audio", "mask") and value is not None:
            mark = _mark_of_file(str(value))
            if mark is None:
                return None
            marks.append([name, mark])
        elif name not in without:
            marks.append([name, value])
    return marks


def _mark_of_file(uri: str) -> str | None:
    try:
        address = locate(uri, Path.cwd())
        if is_web(address):
            return None
        mark = find(address).mark
    except (Unusable, OmniHumanError):
        return None
    return None if mark is None else f"{address} {mark}"


def _may_use(store: ResultStore, name: str, is_local: bool) -> bool:  # noqa: FBT001
    """Whether nothing is kept under the name, or something that still holds."""
    if not store.exists(name):
        return True
    try:
        kept = store.read(name).result
    except Exception:  # noqa: BLE001 - whatever is wrong with it, Prefect writes it anew
        return True
    if isinstance(kept, VideoClip):
        return Path(kept.path).is_file()
    if isinstance(kept, VideoReady):
        return run_to_end(lambda: _answers(kept.address, local=is_local))
    return True


async def _answers(address: str, *, local: bool) -> bool:
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            Http(connections=1) as http,
            http.download(address, local=local),
        ):
            return True
    except (OmniHumanError, TimeoutError):
        return False


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
