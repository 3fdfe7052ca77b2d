"""An S3 server of this session's own, with its log as the witness, and media of many formats."""

from __future__ import annotations

import io
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import av
import fsspec
import numpy as np
import pytest
from PIL import Image, ImageDraw

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings

RATE = 22050
UP_WITHIN = 60.0
_REQUEST = re.compile(r'"(PUT|HEAD|GET|DELETE) (/[^ ?]*)\S* HTTP/1\.1" (\d+)')


@dataclass
class Bucket:
    """One bucket of the server, empty at first."""

    name: str
    server: str
    log: Path

    @property
    def url(self) -> str:
        return f"s3://{self.name}/media"

    def asked(self, method: str, *, status: str = "200") -> Counter[str]:
        """How often an object was asked for in this way, as the server wrote it down."""
        lines = _REQUEST.findall(self.log.read_text())
        folder = f"/{self.name}/"
        return Counter(
            path.removeprefix(folder)
            for verb, path, told in lines
            if verb == method and told == status and path.startswith(folder)
        )


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A process that speaks S3 on loopback, and its log."""
    log = tmp_path_factory.mktemp("s3") / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, process)
            yield address, log
        finally:
            process.kill()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"no S3 server at {address}")


@pytest.fixture
def bucket(s3_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, and its keys where everybody looks for them."""
    address, log = s3_server
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"bucket-{secrets.token_hex(4)}"
    system = fsspec.filesystem("s3")
    system.mkdir(name)
    yield Bucket(name=name, server=urlsplit(address).netloc, log=log)
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture(autouse=True)
def a_quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's jobs take tenths of a second, so questions are asked as often as that."""
    monkeypatch.setattr(pacing, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(pacing, "SHORTEST_WAIT", 0.02)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.002)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox, named by the environment as for anybody who uses it."""
    running_sandbox.reset()
    for name, value in running_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    yield running_sandbox
    running_sandbox.faults.clear()
    running_sandbox.reset()


# --- media --------------------------------------------------------------------------------------


def _voice(number: int, stored_as: str, codec: str, seconds: float = 0.6) -> bytes:
    """A moment of something like speech; each number says another thing."""
    clock = np.arange(int(seconds * RATE)) / RATE
    dice = np.random.default_rng(number)
    loudness = np.interp(clock, np.linspace(0, seconds, 10), dice.random(10))
    tones = [np.sin(2 * np.pi * (110 + 15 * number) * k * clock + k) / k for k in range(1, 12)]
    noise = dice.standard_normal(len(clock)) * 0.05
    samples = (loudness * (np.sum(tones, axis=0) + noise) * 0.25).clip(-1, 1)
    file = io.BytesIO()
    with av.open(file, "w", format=stored_as) as output:
        rate = 48000 if codec == "libopus" else RATE
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.float32)[None], format="fltp", layout="mono"
        )
        frame.sample_rate = RATE
        output.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def _portrait(number: int, stored_as: str, size: tuple[int, int] = (320, 320)) -> bytes:
    """A face of a kind."""
    image = Image.new("RGB", size, (200, 60 * number % 256, 90))
    ImageDraw.Draw(image).ellipse((size[0] // 4, 40, 3 * size[0] // 4, size[1] - 40), fill="tan")
    file = io.BytesIO()
    image.save(file, stored_as)
    return file.getvalue()


@pytest.fixture(scope="session")
def voice() -> Callable[..., bytes]:
    return _voice


@pytest.fixture(scope="session")
def portrait() -> Callable[..., bytes]:
    return _portrait
