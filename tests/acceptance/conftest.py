"""The command line as people use it, against a sandbox that counts: tables, commands, catalogues.

What a command did is read from outside: its exit code, its output, the sandbox's counts and the
Parquet files. Only the media are made here.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import import_module
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from omnihuman_blocks.sandbox.counts import Counts
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import VENDORS, Settings

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages

forked: Any = import_module("forked")  # it stands beside this file

RATE = 8000
SECONDS = 1.0
QUICK = 0.002
"""A model takes a twentieth of a second."""
PATIENCE = 300.0
UPLOADS = ("runware", "fal")
"""Vendors that take a local file; the others get an address."""


# --- media --------------------------------------------------------------------------------------


@cache
def voice(number: int, seconds: float = SECONDS) -> bytes:
    """A sound that is like no other number's."""
    moments = np.arange(int(seconds * RATE)) / RATE
    dice = np.random.default_rng(number)
    loudness = np.interp(moments, np.linspace(0, seconds, 8), 0.3 + 0.7 * dice.random(8))
    noise = dice.standard_normal(len(moments)) * 0.3
    tone = np.sin(2 * np.pi * (150 + 37 * (number % 40)) * moments)
    samples = np.clip(loudness * (tone + noise) * 0.4, -1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


@cache
def portrait(number: int) -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (320, 320), (number * 7 % 256, 90, 120)).save(file, "png")
    return file.getvalue()


# --- what a command says ------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def told(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        read: dict[str, Any] = json.loads(self.out)
        return read

    @property
    def rows(self) -> dict[str, int]:
        """The states that there are, with their counts."""
        return {state: count for state, count in self.told["rows"].items() if count}

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"


@dataclass
class Running:
    """A command that goes on."""

    heard: list[Said]
    process: BaseProcess
    out: Path
    err: Path
    began: float = field(default_factory=time.monotonic)

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self, within: float = PATIENCE) -> Said:
        """What it said, once it has ended."""
        self.process.join(within)
        code = self.process.exitcode
        assert code is not None, f"still running after {within:g} s: {self.err.read_text()}"
        seconds = time.monotonic() - self.began
        self.heard.append(Said(code, self.out.read_text(), self.err.read_text(), seconds))
        return self.heard[-1]


# --- a place to work in -------------------------------------------------------------------------


@dataclass
class Place:
    """A folder with tables, and a shell in it."""

    folder: Path
    sandbox: Sandbox
    environment: dict[str, str]
    forking: ForkServerContext
    scripts: list[dict[str, Any]] = field(default_factory=list)
    avatars: list[dict[str, Any]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    """By every command that has ended."""

    @property
    def results(self) -> Path:
        return self.folder / "out"

    # Tables

    def add_avatar(self, number: int = 0, **more: Any) -> str:
        """One avatar, with its picture both on the disk and at an address."""
        name = f"face{number}"
        (self.folder / f"{name}.png").write_bytes(portrait(number))
        self.avatars.append({"avatar_id": name, "image_uri": f"{name}.png", **more})
        return name

    def add_row(self, vendor: str, number: int, **more: Any) -> str:
        """One script with a voice of its own, for an avatar that is there."""
        name = f"{vendor}-{number}"
        row = {
            "script_id": name,
            "locale": "de-DE",
            "audio_uri": self.voice_at(vendor, number),
            "avatar_id": self._face_for(vendor),
            "provider": vendor,
        }
        self.scripts.append({**row, **more})
        return name

    def add_rows(self, each: int, vendors: Sequence[str] = VENDORS) -> None:
        for number in range(each):
            for vendor in vendors:
                self.add_row(vendor, number)

    def voice_at(self, vendor: str, number: int) -> str:
        """Where a vendor's row finds its voice."""
        data = self.voice_of(vendor, number)
        name = f"{vendor}-{number}.wav"
        if vendor not in UPLOADS:
            return self.sandbox.host(name, data, "audio/wav")
        (self.folder / name).write_bytes(data)
        return name

    @staticmethod
    def voice_of(vendor: str, number: int) -> bytes:
        return voice(1000 * VENDORS.index(vendor) + number)

    def digest_of(self, vendor: str, number: int) -> str:
        """By which a rule of the sandbox knows a row's job."""
        return sha256(self.voice_of(vendor, number)).hexdigest()

    def _face_for(self, vendor: str) -> str:
        if not self.avatars:
            self.add_avatar(0)
            hosted = self.sandbox.host("face.png", portrait(0), "image/png")
            self.avatars.append({"avatar_id": "far", "image_uri": hosted})
        return "face0" if vendor in UPLOADS else "far"

    def lay(self) -> None:
        """Writes the tables."""
        for name, rows in (("scripts", self.scripts), ("avatars", self.avatars)):
            pq.write_table(pa.Table.from_pylist(rows), self.folder / f"{name}.parquet")

    # Commands

    def start(self, *words: str, **environment: str | None) -> Running:
        """A command as a process of its own. None takes a variable away."""
        merged = {**os.environ, **self.environment, **environment}
        said = self.folder / "said"
        said.mkdir(exist_ok=True)
        number = len(list(said.iterdir()))
        out, err = said / f"{number}.out", said / f"{number}.err"
        process = forked.begin(
            self.forking,
            words,
            folder=self.folder,
            environment={name: value for name, value in merged.items() if value is not None},
            out=out,
            err=err,
        )
        return Running(self.said, process, out, err)

    def run(self, *words: str, **environment: str | None) -> Said:
        return self.start(*words, **environment).end()

    def tables_and(self, *words: str, provider: str = "runware") -> list[str]:
        named = ["scripts.parquet", "avatars.parquet", "--results", "out", "--provider", provider]
        return [*named, *words]

    def generate(self, *words: str, **environment: str | None) -> Said:
        return self.run("generate", *self.tables_and("--json", *words), **environment)

    def plan(self, *words: str, **environment: str | None) -> Said:
        return self.run("plan", *self.tables_and("--json", *words), **environment)

    def status(self) -> Said:
        return self.run("status", "out", "--json")

    def retry(self, *words: str) -> Said:
        return self.run("retry", "out", "--json", *words)

    # What came of it

    def catalogue(self) -> list[dict[str, Any]]:
        read = pq.read_table(self.results / "catalogue.parquet")
        rows: list[dict[str, Any]] = read.to_pylist()
        return rows

    def by_script(self) -> dict[str, dict[str, Any]]:
        return {row["script_id"]: row for row in self.catalogue()}

    def by_place(self) -> list[dict[str, Any]]:
        """The lines of the catalogue, each for the script of the same place."""
        lines = self.catalogue()
        asked = [(row["script_id"], row["locale"], row["avatar_id"]) for row in self.scripts]
        told = [(line["script_id"], line["locale"], line["avatar_id"]) for line in lines]
        assert told == asked
        return lines

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.catalogue())

    def counts(self) -> Counts:
        return self.sandbox.counts()

    def requests(self, operation: str | None = None) -> int:
        """How often any vendor was asked anything, or one thing."""
        return sum(
            number
            for vendor in self.counts().vendors.values()
            for name, number in vendor.requests.items()
            if operation in (None, name)
        )


def await_condition(condition: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """Asks again and again; what it says when it is true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about within {within:g} s")


Until = Callable[..., Any]


@pytest.fixture(name="until")
def until_fixture() -> Until:
    return await_condition


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=QUICK), workers=os.cpu_count() or 1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, with nothing bought, nothing broken and its usual settings."""
    running_sandbox.reset()
    usual = running_sandbox.settings.model_dump()
    yield running_sandbox
    running_sandbox.faults.clear()
    running_sandbox.settings.change(usual)
    running_sandbox.reset()


# --- keys ---------------------------------------------------------------------------------------


def keys_of(sandbox: Sandbox) -> list[str]:
    """Every key, and the secret halves of those that have two."""
    keys = [sandbox.settings.vendor(vendor).key for vendor in VENDORS]
    return keys + [half for key in keys if ":" in key for half in key.split(":")[1:]]


def texts_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder, decoded: tables, databases, pages."""
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            yield file, f"{table.to_pylist()} {table.schema}"
        elif file.is_file():
            yield file, file.read_bytes().decode("latin-1")


def assert_no_key_in(place: Place, folder: Path) -> None:
    """Neither in what was written nor in what was said."""
    texts = [*texts_in(folder), *((Path("output"), f"{said}") for said in place.said)]
    for key in keys_of(place.sandbox):
        assert [path for path, text in texts if key in text] == []


@pytest.fixture(scope="session")
def forking() -> ForkServerContext:
    return cast("ForkServerContext", forked.context())


@pytest.fixture
def bare_place(sandbox: Sandbox, forking: ForkServerContext, tmp_path: Path) -> Iterator[Place]:
    """A place whose commands would start a Prefect server of their own, if they needed one.

    Whatever a test does there, no key is found in it afterwards.
    """
    place = Place(tmp_path, sandbox, dict(sandbox.environment), forking)
    yield place
    assert_no_key_in(place, tmp_path)


@pytest.fixture
def place(bare_place: Place, prefect_server: str) -> Place:
    """A place whose commands use the session's Prefect server."""
    bare_place.environment["PREFECT_API_URL"] = prefect_server
    return bare_place


# --- what Prefect knows -------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """The session's Prefect server, asked over its API."""

    url: str

    def last_run(self, name: str = "catalogue out") -> dict[str, Any]:
        """The newest flow run of this name."""
        wanted = {"flow_runs": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC", "limit": 1}
        (run,) = self.ask("flow_runs/filter", wanted)
        return dict(run)

    def task_runs(self, flow_run_id: str) -> list[dict[str, Any]]:
        return list(self.ask("task_runs/filter", _of_run(flow_run_id)))

    def artifacts(self, flow_run_id: str) -> dict[str, dict[str, Any]]:
        wanted = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}}
        return {one["key"]: one for one in self.ask("artifacts/filter", wanted)}

    def logs(self, flow_run_id: str) -> list[str]:
        wanted = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}}
        return [line["message"] for line in self.ask("logs/filter", wanted)]

    def count_task_runs(self) -> int:
        """How many task runs there have ever been."""
        return int(self.ask("task_runs/count", {}))

    def ask(self, path: str, body: Any) -> Any:
        answer = httpx.post(f"{self.url}/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


def _of_run(flow_run_id: str) -> dict[str, Any]:
    return {"flow_runs": {"id": {"any_": [flow_run_id]}}}


@pytest.fixture
def prefect(prefect_server: str) -> Server:
    return Server(prefect_server)
