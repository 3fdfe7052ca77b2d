"""A medium on the web is read once for each state of it, and then only asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.edges.remembered import LedgerMemory, look_at_web
from omnihuman_blocks.errors import InvalidRow

AUDIO = MediaKind.AUDIO
OLD = "Tue, 24 Nov 2020 10:00:00 GMT"
MOST = 10_000_000
Voice = Callable[..., bytes]


@dataclass
class Files:
    """Somebody's server. `told` are the headers of a path, `sent` the answers by status."""

    address: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    honours_conditions: bool = True

    def put(self, path: str, content: bytes, **told: str) -> str:
        self.content[path] = content
        self.told[path] = {name.replace("_", "-"): value for name, value in told.items()}
        return f"{self.address}/{path}?signature=secret"


class Handler(BaseHTTPRequestHandler):
    files: Files

    def do_GET(self) -> None:
        files, path = self.files, self.path.partition("?")[0].strip("/")
        told = files.told[path]
        same = self.headers["if-none-match"] is not None and (
            self.headers["if-none-match"] == told.get("ETag")
        )
        same = same or self.headers["if-modified-since"] == told.get("Last-Modified", "never")
        status = files.status.get(path, 304 if same and files.honours_conditions else 200)
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        body = files.content[path] if status == 200 else b""
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        files.sent[str(status)] += 1
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"files": files}))
    files.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield files
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Invocation:
    """One run of the program over the same ledger."""

    memory: LedgerMemory
    examiner: Examiner
    http: Http

    async def recognise(self, *addresses: str) -> dict[str, str]:
        """What is known now without reading anything."""
        look = partial(self.http.look, local=True)
        await look_at_web(
            [(address, AUDIO) for address in addresses],
            self.memory,
            lambda url, known: look(url, known=known),
        )
        return self.memory.digests_on_the_web()


Begin = Callable[[], AbstractAsyncContextManager[Invocation]]


@pytest.fixture
def begin(tmp_path: Path, media_pool: ThreadPoolExecutor) -> Begin:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Invocation]:
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            memory = LedgerMemory(ledger)
            async with Http() as http:
                examiner = Examiner(
                    read=partial(http.read, local=True, most=MOST),
                    look=lambda url, known: http.look(url, local=True, known=known, most=MOST),
                    pool=media_pool,
                    memory=memory,
                )
                yield Invocation(memory=memory, examiner=examiner, http=http)
            memory.flush()

    return opened


@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize("told", [{"ETag": '"v1"'}, {"Last_Modified": OLD}])
async def test_an_unchanged_medium_is_not_read_again(
    *,
    files: Files,
    begin: Begin,
    media_voice: Voice,
    told: dict[str, str],
    honours: bool,
) -> None:
    """By the next invocation it is asked about, once, and its body stays where it is."""
    files.honours_conditions = honours
    address = files.put("a.wav", media_voice(1.0), **told)
    async with begin() as first:
        media = await first.examiner.examine(address, AUDIO, "")
        assert first.memory.digests_on_the_web() == {address: media.sha256}
    asked = files.sent.total()
    async with begin() as second:
        assert await second.recognise(address) == {address: media.sha256}
        assert await second.examiner.examine(address, AUDIO, "") == media
    assert files.sent.total() == asked + 1
    if honours:
        assert files.sent == {"200": 1, "304": 1}


async def test_a_changed_medium_is_another_one(
    files: Files, begin: Begin, media_voice: Voice
) -> None:
    """It is not recognised, it is read, and then known as what it is now."""
    address = files.put("a.wav", media_voice(1.0), ETag='"v1"')
    async with begin() as first:
        before = await first.examiner.examine(address, AUDIO, "")
    files.put("a.wav", media_voice(2.0, 2), ETag='"v2"')
    async with begin() as second:
        assert await second.recognise(address) == {}
        after = await second.examiner.examine(address, AUDIO, "")
        assert second.memory.digests_on_the_web() == {address: after.sha256}
    assert before.sha256 != after.sha256


async def test_a_server_that_tells_nothing_is_read_every_time(
    files: Files, begin: Begin, media_voice: Voice
) -> None:
    """A weak tag tells nothing about bytes."""
    address = files.put("a.wav", media_voice(1.0), ETag='W/"v1"')
    for _ in range(2):
        async with begin() as invocation:
            assert await invocation.recognise(address) == {}
            await invocation.examiner.examine(address, AUDIO, "")
    assert files.sent == {"200": 2}


async def test_what_was_known_stays_known_while_a_server_is_away_but_not_after_a_no(
    files: Files, begin: Begin, media_voice: Voice
) -> None:
    """A finished row is not unfinished by an outage; a file that is gone is."""
    address = files.put("a.wav", media_voice(1.0), ETag='"v1"')
    async with begin() as first:
        media = await first.examiner.examine(address, AUDIO, "")
    files.status["a.wav"] = 503
    async with begin() as second:
        assert await second.recognise(address) == {address: media.sha256}
    files.status["a.wav"] = 404
    async with begin() as third:
        assert await third.recognise(address) == {}
        with pytest.raises(InvalidRow, match="HTTP 404"):
            await third.examiner.examine(address, AUDIO, "")


async def test_no_signature_of_an_address_is_written_down(
    files: Files, begin: Begin, media_voice: Voice, tmp_path: Path
) -> None:
    """Two addresses that differ in nothing else are still two."""
    address = files.put("a.wav", media_voice(1.0), ETag='"v1"')
    other = address.replace("secret", "secret2")
    async with begin() as first:
        media = await first.examiner.examine(address, AUDIO, "")
    async with begin() as second:
        assert await second.recognise(address, other) == {address: media.sha256}
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))  # noqa: ASYNC240
    assert b"a.wav" in written
    assert b"signature" not in written
