"""A running sandbox, clients of its four wires, something that listens, and media to send.

Videos are made by a studio that only writes down what it was asked for, except where a test wants
to see a real one.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from PIL import Image

from omnihuman_blocks.sandbox.job import Container
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings

DEADLINE = 20.0


class QuickStudio:
    """Measures WAV files and "renders" by hashing: equal media give equal bytes."""

    async def render(
        self,
        *,
        image: bytes,
        audio: bytes,
        resolution: str = "720p",
        container: Container = "mp4",
        mask: bytes | None = None,
    ) -> bytes:
        seconds = await self.audio_seconds(audio)
        seen = hashlib.sha256(image + audio + (mask or b"")).hexdigest()
        film = {"seconds": seconds, "seen": seen, "resolution": resolution, "container": container}
        return json.dumps(film).encode() + bytes(5000)

    async def audio_seconds(self, audio: bytes) -> float:
        try:
            with wave.open(io.BytesIO(audio)) as sound:
                return float(sound.getnframes() / sound.getframerate())
        except (wave.Error, EOFError) as error:
            raise ValueError(f"not a sound: {error}") from error

    def image_facts(self, image: bytes) -> tuple[str, int, int]:
        try:
            opened = Image.open(io.BytesIO(image))
        except OSError as error:
            raise ValueError(f"not an image: {error}") from error
        return (opened.format or "unknown").lower(), opened.width, opened.height

    def close(self) -> None:
        """Nothing to end."""


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Asks again and again; what it says when it is true."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about within {DEADLINE:g} s")


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    return until


# --- the sandbox --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(studio=QuickStudio(), settings=Settings(time_scale=0.0)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """Fresh: no jobs, no faults, default settings, models that take no time."""
    running.settings.change(Settings(time_scale=0.0).model_dump())
    running.reset()
    yield running
    running.reset()


# --- media --------------------------------------------------------------------------------------


def portrait(width: int = 640, height: int = 640, kind: str = "PNG", shade: int = 100) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, shade, 90)).save(file, kind)
    return file.getvalue()


def voice(seconds: float = 2.0, sign: int = 7) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes([sign, 0]) * int(seconds * 8000))
    return file.getvalue()


@dataclass(frozen=True)
class Media:
    """Makes inputs and puts them on the sandbox's shelf."""

    sandbox: Sandbox

    def image(self, **wishes: Any) -> str:
        return self.sandbox.host(f"{uuid.uuid4()}.png", portrait(**wishes), "image/png")

    def audio(self, seconds: float = 2.0, sign: int = 7) -> str:
        return self.sandbox.host(f"{uuid.uuid4()}.wav", voice(seconds, sign), "audio/wav")

    def file(self, data: bytes) -> str:
        return self.sandbox.host(f"{uuid.uuid4()}.bin", data)

    portrait = staticmethod(portrait)
    voice = staticmethod(voice)


@pytest.fixture
def media(sandbox: Sandbox) -> Media:
    return Media(sandbox)


# --- clients ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Runware:
    """Sends tasks."""

    sandbox: Sandbox
    media: Media
    http: httpx.Client

    def task(self, model: str = "bytedance:5@2", **more: Any) -> dict[str, Any]:
        image, audio = self.media.image(), self.media.audio()
        inputs: dict[str, Any] = {"image": image, "audio": audio}
        if model == "bytedance:5@1":
            inputs = {"referenceImages": [image], "audio": audio}
        task = {"taskType": "videoInference", "taskUUID": str(uuid.uuid4()), "model": model}
        return {**task, "inputs": inputs, **more}

    def post(self, *tasks: Any, key: str | None = None, **headers: str) -> httpx.Response:
        auth = {"Authorization": f"Bearer {key or self.sandbox.settings.runware.key}"}
        url = f"{self.sandbox.url}/runware/v1"
        return self.http.post(url, json=list(tasks), headers={**auth, **headers})

    def ask(self, task_uuid: str, kind: str = "getResponse") -> httpx.Response:
        return self.post({"taskType": kind, "taskUUID": task_uuid})

    def ended(self, task_uuid: str) -> dict[str, Any]:
        """The body of the first poll that does not say `processing`."""

        def look() -> Any:
            body = self.ask(task_uuid).json()
            waiting = [item for item in body["data"] if item["status"] == "processing"]
            return None if waiting else body

        body: dict[str, Any] = until(look, "the end of the task")
        return body


@dataclass(frozen=True)
class Fal:
    """Submits to the queue and follows the addresses."""

    sandbox: Sandbox
    media: Media
    http: httpx.Client
    model: str = "fal-ai/bytedance/omnihuman/v1.5"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Key {self.sandbox.settings.fal.key}"}

    def input(self, **more: Any) -> dict[str, Any]:
        given = {"image_url": self.media.image(), "audio_url": self.media.audio()}
        return {**given, "resolution": "720p", **more}

    def submit(self, body: Any = None, model: str | None = None, **wishes: Any) -> httpx.Response:
        url = f"{self.sandbox.url}/fal/queue/{model or self.model}"
        headers = {**self.headers, **wishes.pop("headers", {})}
        sent = self.input() if body is None else body
        return self.http.post(url, json=sent, headers=headers, **wishes)

    def get(self, url: str, **params: str) -> httpx.Response:
        return self.http.get(url, headers=self.headers, params=params)

    def result(self, submitted: Mapping[str, Any]) -> httpx.Response:
        """The answer at the result address, once the job is COMPLETED."""
        until(
            lambda: self.get(submitted["status_url"]).json()["status"] == "COMPLETED",
            "the end of the request",
        )
        return self.get(submitted["response_url"])


@dataclass(frozen=True)
class Pixazo:
    """Submits and follows the polling address."""

    sandbox: Sandbox
    media: Media
    http: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": self.sandbox.settings.pixazo.key}

    def submit(self, body: Any = None, **headers: str) -> httpx.Response:
        model = "bytedance-omnihuman-v1-5-290"
        url = f"{self.sandbox.url}/pixazo/{model}/v1/bytedance-omnihuman-v1-5-request"
        sent = body
        if sent is None:
            sent = {"image_url": self.media.image(), "audio_url": self.media.audio()}
        return self.http.post(url, json=sent, headers={**self.headers, **headers})

    def get(self, url: str) -> httpx.Response:
        return self.http.get(url, headers=self.headers)

    def ended(self, submitted: Mapping[str, Any]) -> dict[str, Any]:
        def look() -> Any:
            body = self.get(submitted["polling_url"]).json()
            return None if body["status"] in ("QUEUED", "PROCESSING") else body

        body: dict[str, Any] = until(look, "the end of the request")
        return body


@dataclass(frozen=True)
class Aimlapi:
    """Submits and asks by id."""

    sandbox: Sandbox
    media: Media
    http: httpx.Client
    model: str = "bytedance/omnihuman/v1.5"

    @property
    def url(self) -> str:
        return f"{self.sandbox.url}/aimlapi/v2/video/generations"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sandbox.settings.aimlapi.key}"}

    def input(self, **more: Any) -> dict[str, Any]:
        given = {"image_url": self.media.image(), "audio_url": self.media.audio()}
        return {"model": self.model, **given, **more}

    def submit(self, body: Any = None, **headers: str) -> httpx.Response:
        sent = self.input() if body is None else body
        return self.http.post(self.url, json=sent, headers={**self.headers, **headers})

    def fetch(self, ticket: str) -> httpx.Response:
        return self.http.get(self.url, params={"generation_id": ticket}, headers=self.headers)

    def ended(self, ticket: str) -> httpx.Response:
        def look() -> Any:
            answer = self.fetch(ticket)
            return answer if answer.json()["status"] in ("completed", "error") else None

        answer: httpx.Response = until(look, "the end of the generation")
        return answer

    def logs(self, path: str = "/v2/logs", **params: Any) -> httpx.Response:
        url = f"{self.sandbox.url}/aimlapi{path}"
        return self.http.get(url, params=params, headers=self.headers)


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """One for all tests: making one costs more than most of them."""
    with httpx.Client(timeout=DEADLINE, trust_env=False) as client:
        yield client


@pytest.fixture
def runware(sandbox: Sandbox, media: Media, http: httpx.Client) -> Runware:
    return Runware(sandbox, media, http)


@pytest.fixture
def fal(sandbox: Sandbox, media: Media, http: httpx.Client) -> Fal:
    return Fal(sandbox, media, http)


@pytest.fixture
def pixazo(sandbox: Sandbox, media: Media, http: httpx.Client) -> Pixazo:
    return Pixazo(sandbox, media, http)


@pytest.fixture
def aimlapi(sandbox: Sandbox, media: Media, http: httpx.Client) -> Aimlapi:
    return Aimlapi(sandbox, media, http)


# --- something that listens ---------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """One request that reached the listener."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    moment: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Listener:
    """A loopback server for webhooks and uploads."""

    heard: list[Heard] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What it answers, one after the other; 200 when there are no more."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def wait(self, number: int = 1) -> list[Heard]:
        heard: list[Heard] = until(
            lambda: self.heard[:] if len(self.heard) >= number else None, f"{number} callbacks"
        )
        return heard


@pytest.fixture
def listener() -> Iterator[Listener]:
    ear = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            ear.heard.append(Heard(self.command, self.path, headers, body, time.monotonic()))
            self.send_response(ear.statuses.pop(0) if ear.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_PUT = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ear.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield ear
        server.shutdown()
        thread.join(DEADLINE)
