"""A Prefect server with everything switched on, and the commands of the operations guide."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_URL, temporary_settings

from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import VENDORS, Settings

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operations.md"
PATIENCE = 120.0
RATE = 8000


def await_condition(condition: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """Asks again and again; what it says when it is true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come about within {within:g} s")


def commands_of(chapter: str) -> list[str]:
    """The commands of a chapter's first block in the guide, in their order."""
    text = GUIDE.read_text().partition(f"\n## {chapter}\n")[2]
    block = text.partition("```console\n")[2].partition("```")[0]
    return [line.removeprefix("$ ") for line in block.splitlines()]


@dataclass
class Shell:
    """Where the guide's commands are typed: the clone's folder, with a server and a sandbox."""

    environment: dict[str, str]
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: str) -> str:
        """What a command says that ends by itself and well."""
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """A command that goes on, in a process group of its own."""
        with (self.folder / f"log-{len(self.started)}.txt").open("wb") as log:
            process = subprocess.Popen(
                ["/bin/bash", "-c", f"exec {command}"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def end(self, after: int = 0) -> None:
        """Nothing that was started here, nor its children, goes on."""
        for process in reversed(self.started[after:]):
            for number in [*descendants(process.pid), process.pid]:
                kill(number)
            process.wait()


def descendants(number: int) -> list[int]:
    """All processes below one."""
    listed = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found: list[int] = []
    wanted = {number}
    while wanted:
        wanted = {child for child, parent in parents if parent in wanted}
        found.extend(wanted)
    return found


def kill(number: int) -> None:
    """SIGKILL, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


@dataclass(frozen=True)
class Server:
    """Prefect's API, asked from outside."""

    url: str

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Asks again where SQLite is busy, as Prefect's own client does."""

        def answer() -> httpx.Response | None:
            said = httpx.request(method, f"{self.url}/{path}", json=body, timeout=60)
            return None if said.status_code == httpx.codes.SERVICE_UNAVAILABLE else said

        said: httpx.Response = await_condition(answer, "an answer of the server")
        return said.raise_for_status()

    def ask(self, path: str, body: Any) -> Any:
        return self.call("POST", path, body).json()

    def deployment(self, name: str) -> dict[str, Any]:
        (found,) = self.ask("deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return dict(found)

    def schedule(self, deployment: str, **parameters: Any) -> None:
        """One more schedule: some moments from now, and every day at that time."""
        schedules = f"deployments/{self.deployment(deployment)['id']}/schedules"
        for lead in (4, 8, 16, 32, 64):
            soon = datetime.now(UTC) + timedelta(seconds=lead)
            schedule = {"interval": 86_400, "anchor_date": soon.isoformat()}
            (made,) = self.ask(schedules, [{"schedule": schedule, "parameters": parameters}])
            while datetime.now(UTC) < soon:
                if self._is_planned(soon):
                    return
                time.sleep(0.2)
            # A scheduler that is hard-pressed has missed the time; the next one is later.
            self.call("DELETE", f"{schedules}/{made['id']}")
        raise AssertionError("the scheduler did not come round to it")

    def _is_planned(self, when: datetime) -> bool:
        moment = timedelta(seconds=1)
        around = {"after_": (when - moment).isoformat(), "before_": (when + moment).isoformat()}
        return bool(self.ask("flow_runs/filter", {"flow_runs": {"expected_start_time": around}}))

    def start(self, deployment: str, **parameters: Any) -> str:
        """A run right now."""
        address = f"deployments/{self.deployment(deployment)['id']}/create_flow_run"
        wanted = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask(address, wanted)["id"])

    def runs(self, deployment: str, *states: str) -> list[dict[str, Any]]:
        """Its runs, or those in these states, the first that started first."""
        wanted = {
            "deployments": {"name": {"any_": [deployment]}},
            "flow_runs": {"state": {"name": {"any_": list(states)}}} if states else {},
            "sort": "START_TIME_ASC",
        }
        return list(self.ask("flow_runs/filter", wanted))

    def events(self, *names: str) -> list[dict[str, Any]]:
        wanted = {"filter": {"event": {"name": list(names)}}, "limit": 50}
        return list(self.ask("events/filter", wanted)["events"])


@dataclass
class Mailbox:
    """Where notifications arrive."""

    url: str
    letters: list[dict[str, Any]]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.002)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    letters: list[dict[str, Any]] = []

    class Slot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            letters.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    with HTTPServer(("127.0.0.1", 0), Slot) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Mailbox(f"http://127.0.0.1:{server.server_port}", letters)
        server.shutdown()


@pytest.fixture(scope="session")
def shell(
    tmp_path_factory: pytest.TempPathFactory, empty_prefect_database: Path, sandbox: Sandbox
) -> Iterator[Shell]:
    """A shell after the guide's server is up. The settings of the test suite's own are not here."""
    folder = tmp_path_factory.mktemp("operations")
    shutil.copy(empty_prefect_database, folder / "prefect.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    services = "PREFECT_SERVER_SERVICES"
    environment = {name: value for name, value in os.environ.items() if services not in name}
    environment |= sandbox.environment
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "PWD": str(ROOT),
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        f"{services}_SCHEDULER_LOOP_SECONDS": "2",
        f"{services}_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
        **server_settings(),
        **catalogue_settings(folder),
    }
    shell = Shell(environment, folder)
    try:
        shell.start(f"prefect server start --host 127.0.0.1 --port {port}")
        await_condition(lambda: _is_up(environment["PREFECT_API_URL"]), "the server")
        yield shell
    finally:
        shell.end()


@pytest.fixture(scope="session")
def server(shell: Shell) -> Server:
    return Server(shell.environment["PREFECT_API_URL"])


@pytest.fixture(scope="session")
def deployed(shell: Shell, server: Server, mailbox: Mailbox) -> str:
    """Everything but the last command of the chapter `Deploy`; that one starts a worker."""
    block = CustomWebhookNotificationBlock(
        name="night watch",
        url=mailbox.url,
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
        allow_private_urls=True,
    )
    with temporary_settings({PREFECT_API_URL: server.url}):
        block.save("night-watch")
    *commands, worker = commands_of("Deploy")
    for command in commands:
        shell.run(command)
    return worker


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def server_settings() -> dict[str, str]:
    """The batching that compose.yaml gives its server."""
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - Prefect brings it

    compose = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
    set_there = compose["services"]["server"]["environment"]
    return {name: value for name, value in set_there.items() if "SERVICES" in name}


def catalogue_settings(folder: Path) -> dict[str, str]:
    """deployments/settings.env, with a pool and tables of this test."""
    lines = (ROOT / "deployments" / "settings.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    return settings | {
        "OMNIHUMAN_SCRIPTS": str(folder / "scripts.parquet"),
        "OMNIHUMAN_AVATARS": str(folder / "avatars.parquet"),
        "OMNIHUMAN_RESULTS": str(folder / "results"),
        "OMNIHUMAN_PROVIDER": "fal",
    }


def lay_tables(folder: Path, numbers: Iterable[int]) -> None:
    """One face, and a voice for each number, at fal and at Runware in turn."""
    Image.new("RGB", (320, 320), (200, 90, 120)).save(folder / "face.png")
    scripts = []
    for number in numbers:
        name = f"voice{number}.wav"
        dice = np.random.default_rng(number)
        samples = (dice.standard_normal(RATE) * 6000).clip(-32000, 32000).astype("<i2")
        with io.BytesIO() as file:
            with wave.open(file, "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(RATE)
                out.writeframes(samples.tobytes())
            (folder / name).write_bytes(file.getvalue())
        vendor = ("fal", "runware")[number % 2]
        scripts.append(
            {"script_id": f"s{number}", "locale": "en", "audio_uri": name, "provider": vendor}
        )
    pq.write_table(pa.Table.from_pylist(scripts), folder / "scripts.parquet")
    avatars = [{"avatar_id": "face", "image_uri": "face.png"}]
    pq.write_table(pa.Table.from_pylist(avatars), folder / "avatars.parquet")


def hold_the_queues(sandbox: Sandbox, *, held: bool) -> None:
    """While held, vendors take jobs and finish none."""
    sandbox.settings.change({vendor: {"slots": 0 if held else 10} for vendor in VENDORS})


Night = SimpleNamespace
"""What the tests use of this file; a module of theirs cannot import it."""


@pytest.fixture
def night(
    shell: Shell, server: Server, sandbox: Sandbox, mailbox: Mailbox, deployed: str
) -> Iterator[Night]:
    """A sandbox that has sold nothing yet, and everything deployed. Workers end with the test."""
    sandbox.reset()
    mailbox.letters.clear()
    before = len(shell.started)
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield Night(
            shell=shell,
            server=server,
            sandbox=sandbox,
            mailbox=mailbox,
            folder=shell.folder,
            root=ROOT,
            start_worker=lambda: shell.start(deployed),
            until=await_condition,
            lay_tables=lambda numbers: lay_tables(shell.folder, numbers),
            hold_the_queues=lambda *, held: hold_the_queues(sandbox, held=held),
            descendants=descendants,
            kill=kill,
        )
    shell.end(after=before)
    hold_the_queues(sandbox, held=False)
