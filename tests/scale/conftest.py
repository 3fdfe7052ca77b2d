"""Several processes on one catalogue: a PostgreSQL for the ledger, a sandbox, commands to start."""

from __future__ import annotations

import io
import os
import sys
import time
import wave
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))  # test folders are no packages
forked: Any = import_module("forked")

RATE = 8000
PATIENCE = 120.0


def await_condition(condition: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """Asks again and again; what it says when it is true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about within {within:g} s")


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    return await_condition


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.002)) as running:
        yield running


@pytest.fixture(scope="session")
def forking() -> ForkServerContext:
    made: ForkServerContext = forked.context()
    return made


Shards = SimpleNamespace
"""What the tests use of this file; a module of theirs cannot import it."""


@pytest.fixture
def shards(sandbox: Sandbox, forking: ForkServerContext, tmp_path: Path) -> Shards:
    """A folder with tables, and commands in it."""

    def start(*words: str, name: str, **environment: str) -> BaseProcess:
        process: BaseProcess = forked.begin(
            forking,
            words,
            folder=tmp_path,
            environment={**os.environ, **sandbox.environment, **environment},
            out=tmp_path / f"{name}.out",
            err=tmp_path / f"{name}.err",
        )
        return process

    return Shards(
        sandbox=sandbox,
        folder=tmp_path,
        results=tmp_path / "out",
        start=start,
        lay_tables=lambda rows: lay_tables(tmp_path, rows),
    )


def lay_tables(folder: Path, rows: int) -> None:
    """Jobs that differ in what they are asked for, over few media: the sandbox renders those once
    that it has not rendered before."""
    Image.new("RGB", (320, 320), (200, 90, 120)).save(folder / "face.png")
    for number in range(4):
        (folder / f"voice{number}.wav").write_bytes(_voice(number))
    scripts = [
        {
            "script_id": f"s{number}",
            "locale": "en",
            "avatar_id": "face",
            "audio_uri": f"voice{number % 4}.wav",
            "prompt": f"take {number}",
        }
        for number in range(rows)
    ]
    pq.write_table(pa.Table.from_pylist(scripts), folder / "scripts.parquet")
    avatars = [{"avatar_id": "face", "image_uri": "face.png"}]
    pq.write_table(pa.Table.from_pylist(avatars), folder / "avatars.parquet")


def _voice(number: int) -> bytes:
    samples = np.random.default_rng(number).standard_normal(RATE // 2) * 6000
    with io.BytesIO() as file:
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.clip(-32000, 32000).astype("<i2").tobytes())
        return file.getvalue()
