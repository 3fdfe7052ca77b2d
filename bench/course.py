"""Where contestants run: a sandbox and a Prefect server, each a process of its own, and media.

Each contestant is a process of its own, too, so that its processor time and memory are its own.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
CONTESTANTS = Path(__file__).with_name("contestants")
PAIRS = 20
AUDIO_SECONDS = 3.0
RATE = 16_000
PATIENCE = 1800.0
TICK = os.sysconf("SC_CLK_TCK")
FOREIGN = ("PREFECT_", "OMNIHUMAN_", "RUNWARE_", "FAL_", "PIXAZO_", "AIMLAPI_")


def clean_environment() -> dict[str, str]:
    """Nobody's Prefect, keys or addresses."""
    return {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)} | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def spent(pid: int) -> float:
    """Seconds of the processor that a process and its threads have taken."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICK


# --- the sandbox --------------------------------------------------------------------------------


@dataclass
class Vendor:
    """A running sandbox, spoken to over HTTP like any other."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    pairs: list[dict[str, str]]

    @property
    def url(self) -> str:
        return self.environment["OMNIHUMAN_SANDBOX_URL"]

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        """One request; the JSON of its answer, if it is any."""
        headers = {"Content-Type": kind or "application/json"}
        asked = urllib.request.Request(  # noqa: S310 - loopback
            self.url + path, data=body, method=method, headers=headers
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            said = answer.read()
        return json.loads(said) if said[:1] in (b"{", b"[") else None

    def set(self, **changes: Any) -> None:
        """Changes settings of the sandbox."""
        self.ask("PUT", "/control/settings", json.dumps(changes).encode())

    def pace(self, seconds: float, jitter: float = 0.2) -> None:
        """From now on a video takes so long to make."""
        made = {"base_seconds": seconds, "seconds_per_second": 0.0, "jitter": jitter}
        self.set(time_scale=1.0, generation=made)

    def reset(self) -> None:
        """No jobs, no counts; media and rendered videos stay."""
        self.ask("POST", "/control/reset")

    def counts(self) -> dict[str, Any]:
        """Its account of everything."""
        counted: dict[str, Any] = self.ask("GET", "/control/counts")
        return counted

    def jobs(self, count: int) -> list[dict[str, str]]:
        """Distinct by what is asked for, over the media that there are."""
        return [{**self.pairs[n % len(self.pairs)], "prompt": f"take {n}"} for n in range(count)]


def voice(number: int) -> bytes:
    """Some seconds of sound that are loud and soft like speech, and like no other number's."""
    dice, moments = np.random.default_rng(number), np.arange(int(AUDIO_SECONDS * RATE)) / RATE
    loudness = np.interp(moments, np.linspace(0, AUDIO_SECONDS, 24), 0.1 + 0.9 * dice.random(24))
    tone = np.sin(2 * np.pi * (150 + 20 * number) * moments)
    samples = loudness * (tone + 0.5 * dice.standard_normal(len(moments))) * 0.4
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def portrait(number: int) -> bytes:
    """A face that is not another number's."""
    file = io.BytesIO()
    Image.new("RGB", (320, 320), (number * 47 % 256, 90, 120)).save(file, "png")
    return file.getvalue()


@contextmanager
def sandbox(*, pairs: int = PAIRS) -> Iterator[Vendor]:
    """A sandbox with media, whose videos are rendered already."""
    slots = "100000"
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "omnihuman_blocks", "sandbox", "--quiet", "--slots", slots],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    try:
        vendor = Vendor(process, _addresses(process), [])
        for number in range(pairs):
            image, audio = f"/media/face{number}.png", f"/media/voice{number}.wav"
            vendor.ask("PUT", image, portrait(number), "image/png")
            vendor.ask("PUT", audio, voice(number), "audio/wav")
            vendor.pairs.append({"image": vendor.url + image, "audio": vendor.url + audio})
        _render_all(vendor)
        yield vendor
    finally:
        process.terminate()
        process.wait()


def _addresses(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
    found: dict[str, str] = {}
    while "OMNIHUMAN_SPEECH_KEY" not in found:  # the last one
        name, _, value = process.stdout.readline().strip().partition("=")
        if not name:
            raise RuntimeError("the sandbox did not start")
        found[name] = value
    return found


def _render_all(vendor: Vendor) -> None:
    """Buys one video of each pair at each vendor of the races, and forgets it."""
    vendor.set(time_scale=0.0)
    with TemporaryDirectory() as name:
        run("floor", vendor, jobs=len(vendor.pairs), folder=Path(name) / "fal")
        run("runware_sdk", vendor, jobs=len(vendor.pairs), folder=Path(name) / "runware")
    vendor.reset()


# --- a Prefect server ---------------------------------------------------------------------------


@dataclass
class Server:
    """A running Prefect server with an empty database."""

    url: str
    pid: int

    def settle(self, most: float = 20.0) -> float:
        """Waits until it has written down what it was told; its processor seconds so far."""
        deadline, before = time.monotonic() + most, spent(self.pid)
        while time.monotonic() < deadline:
            time.sleep(1.0)
            now = spent(self.pid)
            if now - before < 0.05:
                break
            before = now
        return spent(self.pid)


def migrated(home: Path) -> dict[str, str]:
    """An environment with a Prefect of its own in this folder, its database up to date."""
    environment = {**clean_environment(), "PREFECT_HOME": str(home)}
    upgrade = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    subprocess.run(upgrade, env=environment, check=True, capture_output=True)  # noqa: S603
    return environment


@contextmanager
def prefect_server(environment: dict[str, str]) -> Iterator[Server]:
    """A server with the settings that `pip install prefect` gives."""
    port = _free_port()
    words = ["server", "start", "--no-ui", "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "prefect", *words],
        env={**environment, "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/api"
        _await_server(url)
        yield Server(url, process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


class Ground:
    """What several parts share, each made when it is first needed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._home: Path | None = None

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="omnihuman-bench-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def vendor(self) -> Vendor:
        """The sandbox, with its videos rendered."""
        return self._stack.enter_context(sandbox())

    @cached_property
    def server(self) -> Server:
        """A Prefect server."""
        environment = self.home("server")
        return self._stack.enter_context(prefect_server(environment))

    def home(self, name: str) -> dict[str, str]:
        """An environment for a Prefect of its own; migrating takes long and is done once."""
        if self._home is None:
            self._home = self.folder / "prefect"
            self._home.mkdir()
            migrated(self._home)
        copy = self.folder / name
        shutil.copytree(self._home, copy)
        return {**clean_environment(), "PREFECT_HOME": str(copy)}


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _await_server(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


# --- one run ------------------------------------------------------------------------------------


def begin(
    name: str,
    vendor: Vendor,
    *,
    jobs: int,
    folder: Path,
    cap: int | None = None,
    api_url: str | None = None,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Starts a contestant in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    race = {
        "jobs": vendor.jobs(jobs),
        "cap": cap,
        "out": str(folder),
        "report": str(folder / "report.json"),
        "environment": vendor.environment,
        "options": options,
    }
    (folder / "race.json").write_text(json.dumps(race), encoding="utf-8")
    variables = {**(environment or clean_environment()), "PREFECT_LOGGING_LEVEL": "WARNING"}
    if api_url is not None:
        variables["PREFECT_API_URL"] = api_url
    with (folder / "said.txt").open("wb") as said:
        return subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, str(CONTESTANTS / f"{name}.py"), str(folder / "race.json")],
            env=variables,
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def run(name: str, vendor: Vendor, *, jobs: int, folder: Path, **more: Any) -> dict[str, Any]:
    """One contestant, whole: what it says of itself, and what the vendor saw."""
    vendor.reset()
    started = time.time()
    process = begin(name, vendor, jobs=jobs, folder=folder, **more)
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    report = folder / "report.json"
    if process.returncode or not report.is_file():
        said = (folder / "said.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{name} ended with {process.returncode}: {said}")
    told = json.loads(report.read_text(encoding="utf-8"))
    ended_process = time.time()
    found = judged(vendor.counts(), jobs, started, told)
    found["after_seconds"] = ended_process - told["ended"]
    shutil.rmtree(folder, ignore_errors=True)
    return found


def judged(
    counts: dict[str, Any], jobs: int, started: float, told: dict[str, Any]
) -> dict[str, Any]:
    """The vendor's count of one run, in the measures of the report."""
    bought = counts["purchases"]
    if len(bought) != jobs or any(one["state"] != "done" for one in bought):
        raise RuntimeError(f"{len(bought)} purchases for {jobs} jobs, or not all of them done")
    first = min(moment(one["accepted_at"]) for one in bought)
    took = [moment(one["finished_at"]) - moment(one["accepted_at"]) for one in bought]
    last_made = max(moment(one["finished_at"]) for one in bought)
    delays = [one["detection_seconds"] or 0.0 for one in bought]
    asked = {}
    for one in counts["vendors"].values():
        for name, number in one["requests"].items():
            asked[name] = asked.get(name, 0) + number
    return {
        "jobs": jobs,
        "wall_seconds": told["ended"] - first,
        "start_seconds": first - started,
        "buying_seconds": max(moment(one["accepted_at"]) for one in bought) - first,
        "after_last_made_seconds": told["ended"] - last_made,
        "generation_seconds": sum(took) / jobs,
        "delay_seconds": sum(delays) / jobs,
        "requests_per_video": told.get("http_requests", sum(asked.values())) / jobs,
        "requests": {name: number / jobs for name, number in sorted(asked.items())},
        "in_flight_maximum": max(one["in_flight_maximum"] for one in counts["vendors"].values()),
        "cpu_ms_per_row": 1000 * told["cpu_seconds"] / jobs,
        "peak_mb": told["peak_mb"],
    }


def moment(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def shares(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
