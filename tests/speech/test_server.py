"""Any server with OpenAI's speech wire: what it is asked, what its answers mean, what it costs.

The oracle is the server's own list of what it has spoken.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from omnihuman_blocks.domain.speech import Spoken
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.edges.speech import Speaker, openai
from omnihuman_blocks.edges.speech.openai import OpenAi
from omnihuman_blocks.errors import CannotStart, InvalidRow, Transient
from omnihuman_blocks.sandbox.server import Sandbox

MakeSpeaker = Callable[..., Speaker]
TEXTS = {
    "en-US": "Hello there. This is a test of a server.",
    "de": "Guten Tag, das ist ein Versuch.",
    "ru": "Добрый день, это проверка.",
    "ar": "مرحبا بالعالم",
    "zh-CN": "你好,世界。",
    "ja": "今日は、世界。",
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "FIRST_WAIT_SECONDS", 0.005)


@pytest.fixture
def engine(sandbox: Sandbox) -> Callable[..., OpenAi]:
    """The sandbox's speech server; what is not said is as it should be."""

    def make(**other: Any) -> OpenAi:
        known = {"url": f"{sandbox.url}/speech/v1", "key": sandbox.settings.speech.key}
        return OpenAi(**known | {"model": "tts-1"} | other)

    return make


async def say(speaker: Speaker, text: str = "Hello there.", voice: str = "nova") -> Spoken:
    return await speaker.speak(speaker.recipe(text=text, locale="en-US", voice=voice))


def bytes_of(spoken: Spoken) -> bytes:
    return Path(spoken.media.uri).read_bytes()


def files_with(words: str, folder: Path) -> list[Path]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if words.encode() in file.read_bytes()]


@pytest.mark.parametrize("format_", ["wav", "mp3"])
async def test_texts_are_spoken_and_their_lengths_counted(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi], sandbox: Sandbox, format_: str
) -> None:
    """Also where the file's own header knows no length, as in a stream."""
    speaker = make_speaker(engine(format=format_, speed=Decimal("1.25")))
    for locale, text in TEXTS.items():
        spoken = await speaker.speak(speaker.recipe(text=text, locale=locale, voice="nova"))
        content = bytes_of(spoken)
        assert spoken.media.format == format_ == listen(content).format
        assert spoken.media.seconds == listen(content).seconds > Decimal("0.5")
        assert len(content) == spoken.media.size
        assert spoken.words == ()
        if format_ == "wav":
            assert int.from_bytes(content[4:8], "little") + 8 == len(content)
    assert [one.text for one in sandbox.spoken()] == list(TEXTS.values())
    assert {one.speed for one in sandbox.spoken()} == {1.25}


async def test_a_recipe_is_spoken_once(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi], sandbox: Sandbox
) -> None:
    """At the same time, one after the other, and by the next invocation; the first is the medium.

    The server never says anything the same way twice.
    """
    speaker = make_speaker(engine())
    first = await asyncio.gather(*(say(speaker) for _ in range(20)))
    later = [await say(speaker), await say(make_speaker(engine()))]
    assert len(sandbox.spoken()) == 1
    assert {spoken.media for spoken in (*first, *later)} == {first[0].media}


async def test_of_two_that_speak_at_once_the_first_to_come_home_is_kept(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi]
) -> None:
    """Two machines that share a folder: both go on with the same bytes."""
    speakers = [make_speaker(engine()) for _ in range(4)]
    every = await asyncio.gather(*(say(speaker) for speaker in speakers))
    assert len({spoken.media.sha256 for spoken in every}) == 1


@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_bytes(b"RIFF and then")])
async def test_what_was_taken_away_is_spoken_again_and_is_the_same_job(
    make_speaker: MakeSpeaker,
    engine: Callable[..., OpenAi],
    sandbox: Sandbox,
    harm: Callable[[Path], object],
) -> None:
    """With other bytes, and the identity that stands in the job's key."""
    before = await say(make_speaker(engine()))
    harm(Path(before.media.uri))
    after = await say(make_speaker(engine()))
    assert after.media.identity == before.media.identity
    assert after.media.sha256 != before.media.sha256
    assert len(sandbox.spoken()) == 2


async def test_a_server_that_is_busy_is_asked_again(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi], sandbox: Sandbox
) -> None:
    """A few times; then the row waits for the next invocation."""
    sandbox.settings.speech.answers_first = [503, 429, 500]
    await say(make_speaker(engine()))
    assert len(sandbox.spoken()) == 1
    sandbox.settings.speech.answers_first = [503] * 10
    with pytest.raises(Transient, match="cannot answer now"):
        await say(make_speaker(engine()), "Another text.")
    assert len(sandbox.settings.speech.answers_first) == 10 - openai.TRIES
    sandbox.settings.speech.answers_first = []
    await say(make_speaker(engine()), "Another text.")


async def test_a_server_that_is_away_is_no_fault_of_the_row(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi]
) -> None:
    """Nobody listens at that port."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(Transient, match="No answer from the speech server"):
        await say(make_speaker(engine(url=f"http://127.0.0.1:{port}/v1")))


async def test_a_wrong_key_stops_everything_and_is_not_told(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Nor does a right one get into a file."""
    with pytest.raises(CannotStart, match="OMNIHUMAN_SPEECH_KEY") as refused:
        await say(make_speaker(engine(key="sk-very-secret")))
    assert "sk-very-secret" not in f"{refused.value} {engine(key='sk-very-secret')}"
    await say(make_speaker(engine()))
    assert files_with(sandbox.settings.speech.key, tmp_path) == []
    assert files_with("Hello there.", tmp_path) != []


@pytest.mark.parametrize(
    ("wish", "text", "voice", "error", "said"),
    [
        ({"model": "tts-9"}, "Hello", "nova", CannotStart, "does not exist"),
        ({"url": "{}/speech/v2"}, "Hello", "nova", CannotStart, "no such address"),
        ({}, "Hello", "ziggy", InvalidRow, "Invalid 'voice'. Use one of alloy"),
        ({}, "x" * 5000, "nova", InvalidRow, "At most 4096 characters"),
    ],
)
async def test_a_no_is_told_where_it_belongs(
    make_speaker: MakeSpeaker,
    engine: Callable[..., OpenAi],
    sandbox: Sandbox,
    *,
    wish: dict[str, str],
    text: str,
    voice: str,
    error: type[Exception],
    said: str,
) -> None:
    """The address and the model are everybody's trouble, a voice or a text that of its row."""
    wish = {name: value.format(sandbox.url) for name, value in wish.items()}
    with pytest.raises(error, match=re.escape(said)) as refused:
        await say(make_speaker(engine(**wish)), text, voice)
    if isinstance(refused.value, InvalidRow):
        assert refused.value.column == ("voice" if voice == "ziggy" else "text")


def test_a_row_must_name_a_voice(engine: Callable[..., OpenAi]) -> None:
    """Nobody but the server knows which there are."""
    with pytest.raises(InvalidRow, match="No voice is named for en-US"):
        engine().voice(None, "en-US")


async def test_the_language_can_go_with_the_text(
    make_speaker: MakeSpeaker, engine: Callable[..., OpenAi], sandbox: Sandbox
) -> None:
    """Members that a server wants beside the usual ones, and their own recipe."""
    asked = engine(extra={"lang_code": "{language}", "note": "{locale} {x}"})
    await say(make_speaker(asked))
    assert sandbox.spoken()[0].body["lang_code"] == "en"
    assert sandbox.spoken()[0].body["note"] == "en-US {x}"
    assert asked.name != engine().name


def test_a_server_that_moves_here_is_the_same_and_another_vendor_is_not(
    engine: Callable[..., OpenAi],
) -> None:
    """The name enters the recipe, and with it the key of the job."""
    assert engine(url="http://127.0.0.1:1/v1").name == engine(url="http://kokoro:8/v1").name
    public = [engine(url=f"https://{host}/v1").name for host in ("api.openai.com", "api.groq.com")]
    assert len({*public, engine().name}) == 3
    assert engine(format="mp3").name == engine().name
    assert "8" not in str(engine(key="8").settings)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example/v1", "https://a.example/v1/audio/speech"),
        ("https://a.example/v1/", "https://a.example/v1/audio/speech"),
        ("https://a.example", "https://a.example/v1/audio/speech"),
        ("https://a.example/openai/v1", "https://a.example/openai/v1/audio/speech"),
        ("https://a.example/v1/openai", "https://a.example/v1/openai/audio/speech"),
        ("https://a.example/x/audio/speech", "https://a.example/x/audio/speech"),
    ],
)
def test_an_address_may_be_written_in_several_ways(url: str, address: str) -> None:
    """As the servers' own documentation writes it."""
    assert openai._speech_address(url) == address


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"url": "ftp://a.example"}, "http or https"),
        ({"url": "https://"}, "http or https"),
        ({"url": "https://me:pw@a.example/v1"}, "set OMNIHUMAN_SPEECH_KEY"),
        ({"key": "half\nkey"}, "characters that no key has"),
        ({"speed": Decimal(9)}, "speed must lie"),
        ({"format": "opus"}, "wav or mp3"),
        ({"model": " "}, "name a model"),
        ({"extra": {"voice": "x"}}, "nothing twice"),
    ],
)
def test_a_server_that_cannot_be_asked_is_refused_at_once(
    engine: Callable[..., OpenAi], wish: dict[str, Any], said: str
) -> None:
    """Before any row is looked at, and without a key in the words."""
    with pytest.raises(CannotStart, match=said) as refused:
        engine(**wish)
    assert "half" not in str(refused.value)
    assert "pw" not in str(refused.value)


# --- servers that are none --------------------------------------------------------------------

ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "page": (200, "text/html", b"<h1>Please sign in</h1>"),
    "json": (200, "application/json", b"{}"),
    "noise": (200, "audio/wav", b"no sound at all"),
    "moved": (301, "text/plain", b""),
    "quota": (429, "application/json", b'{"error": {"code": "insufficient_quota"}}'),
    "odd": (400, "application/json", b'{"error": "no"}'),
    "echo": (400, "text/plain", b"your key is sk-very-secret"),
}


@pytest.fixture
def stranger() -> Iterator[str]:
    """Answers with what its path names; says nothing of what it hears."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status, kind, body = ANSWERS[self.path.split("/")[1]]
            self.send_response(status)
            for name, value in (("content-type", kind), ("content-length", str(len(body)))):
                self.send_header(name, value)
            if status == 301:
                self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ("page", CannotStart, "answers with text/html and no audio"),
        ("json", CannotStart, "answers with application/json and no audio"),
        ("noise", Transient, "cannot be used"),
        ("moved", CannotStart, "Check its address"),
        ("quota", CannotStart, "used up"),
        ("odd", InvalidRow, "does not speak this"),
        ("echo", InvalidRow, r"your key is \*\*\*"),
    ],
)
async def test_whatever_a_stranger_answers_is_understood_or_refused(
    make_speaker: MakeSpeaker,
    engine: Callable[..., OpenAi],
    stranger: str,
    *,
    answer: str,
    error: type[Exception],
    said: str,
) -> None:
    """Never another exception, never a key in its words."""
    with pytest.raises(error, match=said) as refused:
        await say(make_speaker(engine(url=f"{stranger}/{answer}/v1", key="sk-very-secret")))
    assert "very-secret" not in str(refused.value)
