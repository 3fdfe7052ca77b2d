"""Where a fuzz lives: a sandbox that counts, media, and the process that is forked from."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from tests.fuzz.media import Shelf

QUICK = 0.002
"""A model takes a twentieth of a second."""
IN_FLIGHT = 8
PATIENCE = 20.0
KILLED = -9
ZYGOTE = Path(__file__).with_name("zygote.py")


@dataclass(frozen=True)
class End:
    """A process that has ended."""

    code: int
    said: str
    endings: list[dict[str, Any]] | None

    @property
    def killed(self) -> bool:
        return self.code == KILLED


class Zygote:
    """The process that others are forked from."""

    def __init__(self, *words: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ZYGOTE), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **(environment or {})},
            text=True,
        )
        self._numbers = itertools.count()
        self._hear()

    def fork(self, *plans: dict[str, Any]) -> list[End]:
        """Starts these at the same time; how they ended, in the same order."""
        numbered = {next(self._numbers): plan for plan in plans}
        stdin = self._process.stdin
        assert stdin is not None
        for number, plan in numbered.items():
            stdin.write(json.dumps({**plan, "id": number}) + "\n")
        stdin.flush()
        codes: dict[int, int] = {}
        while len(codes) < len(numbered):
            told = self._hear()
            codes[told["id"]] = told["code"]
        return [_end(codes[number], plan) for number, plan in numbered.items()]

    def _hear(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, "the process that is forked from has ended"
        told: dict[str, Any] = json.loads(line)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _end(code: int, plan: Mapping[str, Any]) -> End:
    said, endings = Path(plan["said"]), Path(plan["endings"])
    told = json.loads(endings.read_text()) if endings.exists() else None
    endings.unlink(missing_ok=True)
    return End(code, said.read_text() if said.exists() else "", told)


@dataclass
class World:
    """Everything that outlives a round."""

    sandbox: Sandbox
    zygote: Zygote
    shelf: Shelf
    folder: Path

    def plan(
        self,
        folder: Path,
        errands: Sequence[Mapping[str, Any]],
        *,
        twin: int = 0,
        death: Mapping[str, Any] | None = None,
        kill_after: float | None = None,
    ) -> dict[str, Any]:
        """What a forked process is to do, and when it is to die."""
        return {
            "folder": str(folder),
            "environment": self.sandbox.environment,
            "said": str(folder / f"said-{twin}.txt"),
            "endings": str(folder / f"endings-{twin}.json"),
            "in_flight": IN_FLIGHT,
            "patience": PATIENCE,
            "errands": list(errands),
            "death": death,
            "kill_after": kill_after,
        }


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A sandbox in this process, and a process to fork from."""
    settings = Settings(time_scale=QUICK)
    settings.aimlapi.logs_per_minute = None
    with Sandbox(settings=settings) as sandbox, Zygote() as zygote:
        yield World(sandbox, zygote, Shelf(folder / "media", sandbox), folder)
