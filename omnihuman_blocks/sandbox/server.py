"""The sandbox on a loopback port: in a background thread from Python, or for as long as a command.

`with Sandbox() as sandbox:` serves; `sandbox.environment` says where, `sandbox.counts()` what was
bought, and `sandbox.faults` and `sandbox.settings` may be changed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import uvicorn

from omnihuman_blocks.sandbox.app import House
from omnihuman_blocks.sandbox.counts import Counts, count
from omnihuman_blocks.sandbox.dropping import DroppableProtocol
from omnihuman_blocks.sandbox.faults import Faults, Rule
from omnihuman_blocks.sandbox.making import StudioLike
from omnihuman_blocks.sandbox.media import Medium
from omnihuman_blocks.sandbox.render_clip import Quality
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.sandbox.speech import PATH as SPEECH_PATH
from omnihuman_blocks.sandbox.speech import Utterance

HOST = "127.0.0.1"
START_SECONDS = 30.0
BACKLOG = 2048
Outcome = TypeVar("Outcome")


class Sandbox:
    """A vendor on this machine. Everything about it can be changed while it runs."""

    def __init__(
        self,
        *,
        port: int = 0,
        settings: Settings | None = None,
        faults: Faults | Iterable[Rule | Mapping[str, Any]] = (),
        quality: Quality = "fast",
        workers: int = 1,
        studio: StudioLike | None = None,
        narrate: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.settings = settings or Settings()
        self.faults = faults if isinstance(faults, Faults) else Faults(faults)
        self._narrate = narrate
        self._make_studio = _studio_maker(studio, quality, workers)
        self._wished_port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: BaseException | None = None
        self._to_stop = False
        self.house: House | None = None

    # --- where it is ------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port, once it is bound."""
        if self._socket is None:
            raise RuntimeError("The sandbox has not been started.")
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The address of the sandbox itself."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Keys and addresses as environment variables."""
        return {
            "RUNWARE_API_KEY": self.settings.runware.key,
            "FAL_KEY": self.settings.fal.key,
            "PIXAZO_API_KEY": self.settings.pixazo.key,
            "AIMLAPI_API_KEY": self.settings.aimlapi.key,
            "OMNIHUMAN_RUNWARE_URL": f"{self.url}/runware",
            "OMNIHUMAN_FAL_URL": f"{self.url}/fal/queue",
            "OMNIHUMAN_FAL_REST_URL": f"{self.url}/fal/rest",
            "OMNIHUMAN_PIXAZO_URL": f"{self.url}/pixazo",
            "OMNIHUMAN_AIMLAPI_URL": f"{self.url}/aimlapi",
            "OMNIHUMAN_SANDBOX_URL": self.url,
            "OMNIHUMAN_SANDBOX_SPEECH_URL": f"{self.url}{SPEECH_PATH}",
            "OMNIHUMAN_SPEECH_KEY": self.settings.speech.key,
        }

    # --- what happened ----------------------------------------------------------------------

    def counts(self) -> Counts:
        """What was bought, asked for and charged."""
        house = self._house()
        return self._on_loop(lambda: count(house.desk))

    def spoken(self) -> list[Utterance]:
        """Every text that its speech server has spoken, in order."""
        house = self._house()
        return self._on_loop(house.speech.spoken.copy)

    def reset(self) -> None:
        """No jobs, no counts, no faults; settings and media stay."""
        self._on_loop(self._house().reset)

    def host(self, name: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        """Puts a file on the shelf and says its address."""
        house, path = self._house(), f"/media/{name.lstrip('/')}"
        medium = Medium.of(data, content_type)
        self._on_loop(lambda: house.desk.library.keep(path, medium))
        return f"{self.url}{quote(path)}"

    def _house(self) -> House:
        if self.house is None:
            raise RuntimeError("The sandbox has not been started.")
        return self.house

    def _on_loop(self, do: Callable[[], Outcome]) -> Outcome:
        """Does something where the engine lives: engine and requests never meet half-way."""

        async def call() -> Outcome:
            return do()

        if self._loop is None or not self._loop.is_running():
            raise RuntimeError("The sandbox is not running.")
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(START_SECONDS)

    # --- running ----------------------------------------------------------------------------

    def bind(self) -> None:
        """Takes the port, so that its number is known before anything is served."""
        if self._socket is not None:
            return
        # With the protocol named, asyncio switches Nagle's delay off on every connection.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._wished_port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        self._socket = listener

    async def serve(self) -> None:
        """Serves until `stop`."""
        self.bind()
        self._loop = asyncio.get_running_loop()
        self.house = House(
            settings=self.settings,
            faults=self.faults,
            studio=self._make_studio(),
            is_own=self._is_own,
            narrate=self._narrate,
        )
        self._server = _Server(_config(self.house))
        listener = self._socket
        if listener is None:
            raise RuntimeError("The sandbox has no port.")
        self._server.should_exit = self._to_stop
        await self._server.serve(sockets=[listener])

    def _is_own(self, host: str) -> bool:
        parts = urlsplit(f"//{host}")
        return parts.hostname in (HOST, "localhost") and parts.port == self.port

    def start(self) -> Self:
        """Serves in a background thread; returns when it answers."""
        self.bind()
        self._to_stop = False
        self._thread = threading.Thread(target=self._run, name="omnihuman-sandbox", daemon=True)
        self._thread.start()
        self._wait_until_started()
        return self

    def _run(self) -> None:
        try:
            asyncio.run(self.serve())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the start
            self._failed = error

    def _wait_until_started(self) -> None:
        waited = threading.Event()
        for _ in range(int(START_SECONDS / 0.01)):
            if self._failed is not None:
                raise RuntimeError("The sandbox did not start.") from self._failed
            if self._server is not None and self._server.started:
                return
            waited.wait(0.01)
        raise RuntimeError(f"The sandbox did not start within {START_SECONDS:g} s.")

    def ask_to_stop(self) -> None:
        """Lets `serve` return; may be called from a signal handler."""
        self._to_stop = True
        if self._server is not None:
            self._server.should_exit = True

    def stop(self) -> None:
        """Ends the server and its thread."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join(START_SECONDS)
        if self._socket is not None:
            self._socket.close()
        self._server = self._thread = self._loop = self._socket = self.house = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """uvicorn would raise a signal again after a clean end; whoever serves decides about those."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(house: House) -> uvicorn.Config:
    return uvicorn.Config(
        house.app,
        http=DroppableProtocol,
        ws="auto",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        ws_max_size=64 * 1024 * 1024,
    )


def _studio_maker(
    studio: StudioLike | None, quality: Quality, workers: int
) -> Callable[[], StudioLike]:
    def make() -> StudioLike:
        if studio is not None:
            return studio
        from omnihuman_blocks.sandbox.render import Studio  # noqa: PLC0415 - decoders are slow to import

        return Studio(workers=workers, quality=quality)

    return make
