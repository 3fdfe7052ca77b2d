"""Any server that speaks OpenAI's `/v1/audio/speech`: a model, a voice, a text, and audio back.

The wire has no locale and tells no times of words; a server that wants the language takes it as a
member of the body, such as `lang_code={language}`. What was spoken may cost a little, so it is
kept; an answer that was lost is asked for again, a few times.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from omnihuman_blocks.domain.addresses import is_public, is_web
from omnihuman_blocks.domain.identity import canonical
from omnihuman_blocks.domain.lexicon import Said
from omnihuman_blocks.domain.locales import language_of
from omnihuman_blocks.domain.speech import Recipe
from omnihuman_blocks.domain.wire import HttpCall, HttpReply, Json, Record, excerpt, retry_after
from omnihuman_blocks.edges.http import Account
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.edges.speech.engine import Sound, Tools
from omnihuman_blocks.edges.speech.waves import rewritten
from omnihuman_blocks.errors import CannotStart, InvalidRow, Refused, Transient, Unreadable

PATH = "/audio/speech"
KEY_VARIABLE = "OMNIHUMAN_SPEECH_KEY"
DEFAULT_MODEL = "gpt-4o-mini-tts"
FORMATS = ("wav", "mp3")
SLOWEST, FASTEST = Decimal("0.25"), Decimal(4)
PATIENCE_SECONDS = 300.0
"""A server that speaks on a CPU says nothing until it has spoken everything."""
TRIES = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
AT_ONCE = 8
PRINTABLE = re.compile(r"[\x21-\x7e]*")
OURS = frozenset({"model", "input", "voice", "response_format", "speed", "stream_format"})


@dataclass(frozen=True, kw_only=True)
class OpenAi:
    """A speech server, and what is asked of it."""

    url: str
    model: str = DEFAULT_MODEL
    key: str = field(default="", repr=False)
    speed: Decimal = Decimal(1)
    format: str = "wav"
    extra: Mapping[str, str] = field(default_factory=dict)
    """More members of the body; `{locale}` and `{language}` in them stand for the row's."""

    def __post_init__(self) -> None:
        where = f"The speech server {self.url.partition('?')[0]}"
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            raise CannotStart(f"A speech server's address has no key in it: set {KEY_VARIABLE}.")
        if not is_web(self.url) or not parts.hostname or parts.query or parts.fragment:
            raise CannotStart(f"{where}: write its http or https address, such as .../v1.")
        if not PRINTABLE.fullmatch(self.key):
            raise CannotStart(f"{where}: its key holds characters that no key has. Copy it again.")
        if not SLOWEST <= self.speed <= FASTEST:
            raise CannotStart(f"{where}: speed must lie between {SLOWEST} and {FASTEST}.")
        if self.format not in FORMATS:
            raise CannotStart(f"{where}: format must be {' or '.join(FORMATS)}.")
        if not self.model.strip() or OURS & self.extra.keys():
            raise CannotStart(f"{where}: name a model, and nothing twice.")

    @property
    def name(self) -> str:
        """Model, server and extras. A server of this machine or network may move."""
        host = urlsplit(self.url).hostname if is_public(self.url) else "local"
        extra = hashlib.sha256(canonical(dict(self.extra))).hexdigest()[:12] if self.extra else ""
        return f"openai/{self.model}@{host}" + (f"+{extra}" if extra else "")

    @property
    def at_once(self) -> int:
        return AT_ONCE

    @property
    def settings(self) -> Json:
        return {"name": self.name, "speed": self.speed}

    def voice(self, wanted: str | None, locale: str) -> str:
        """The server's own name of a voice; nobody else knows which there are."""
        if wanted is None:
            raise InvalidRow(
                f"No voice is named for {locale}. Name one of the speech server's in `voice`, or "
                "give `default` one in a file for --voices.",
                "voice",
            )
        return wanted

    def check(self, recipe: Recipe, said: Said) -> None:
        """The server says itself what it cannot speak."""

    async def say(self, recipe: Recipe, said: Said, tools: Tools) -> Sound:
        """Asks until there is an answer, a few times."""
        for tried in range(1, TRIES + 1):
            try:
                content = await self._asked(recipe, said, tools)
                return await asyncio.get_running_loop().run_in_executor(
                    tools.pool, self._sound, content
                )
            except Transient as error:
                if tried == TRIES:
                    raise
                wait = error.retry_after or FIRST_WAIT_SECONDS * 2**tried
                await asyncio.sleep(min(wait, LONGEST_WAIT_SECONDS))
        raise AssertionError(TRIES)  # pragma: no cover - the last try raises

    async def _asked(self, recipe: Recipe, said: Said, tools: Tools) -> bytes:
        address = _speech_address(self.url)
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        account = Account(
            name="the speech server", credentials=headers, addresses={address: address}
        )
        call = HttpCall(
            method="POST",
            url=address,
            headers={"accept": "audio/*, application/json"},
            json=self._body(recipe, said),
        )
        try:
            reply, content = await tools.http.ask_for_file(account, call, within=PATIENCE_SECONDS)
        except Refused as error:
            raise CannotStart(f"{error}. Check the address of --speech.") from error
        if reply.status != 200:
            self._refused(reply)
        kind = reply.headers.get("content-type", "").partition(";")[0].strip()
        if kind in ("text/html", "application/json"):
            raise CannotStart(
                f"{address} answers with {kind} and no audio. Check the address of --speech."
            )
        return content

    def _body(self, recipe: Recipe, said: Said) -> Record:
        names = {"{locale}": recipe.locale, "{language}": language_of(recipe.locale)}
        body: Record = {
            "model": self.model,
            "input": said.text,
            "voice": recipe.voice,
            "response_format": self.format,
        }
        if recipe.speed != 1:
            body["speed"] = recipe.speed
        for name, value in self.extra.items():
            body[name] = re.sub(r"\{locale\}|\{language\}", lambda m: names[m[0]], value)
        return body

    def _sound(self, content: bytes) -> Sound:
        try:
            heard = listen(content)
            if heard.format == "mp3":
                return Sound(content=content, format="mp3", seconds=heard.seconds)
            written = rewritten(content)
            return Sound(content=written, format="wav", seconds=listen(written).seconds)
        except ValueError as error:
            raise Transient(f"The speech server's audio cannot be used: {error}.") from error

    def _refused(self, reply: HttpReply) -> None:
        """What a status means here. The server's own words are told without the key."""
        said, code, param = _error_of(reply)
        if self.key:
            said = said.replace(self.key, "***")
        what = f"HTTP {reply.status}: {said or 'no reason given'}"
        if reply.status in (401, 402, 403):  # its words may repeat the key in part
            raise CannotStart(
                f"The speech server refuses us (HTTP {reply.status}). Check {KEY_VARIABLE} or the "
                "key of the block, and what is left on that account."
            )
        if code == "insufficient_quota":
            raise CannotStart(f"The account at the speech server is used up ({what}).")
        if reply.status in (408, 425, 429) or reply.status >= 500:
            raise Transient(f"The speech server cannot answer now ({what})", retry_after(reply))
        if reply.status in (404, 405) or reply.status < 400 or param == "model":
            raise CannotStart(
                f"The speech server has no such address or model ({what}). Check its address and "
                "`model` in --speech or in the block."
            )
        column = "voice" if param == "voice" else "text"
        raise InvalidRow(f"The speech server does not speak this: {what}", column)


def _speech_address(url: str) -> str:
    """`https://host/v1`, `https://host` or the whole address."""
    bare = url.rstrip("/")
    if bare.endswith(PATH):
        return bare
    return bare + PATH if re.search(r"/v\d+(/\w+)?$", bare) else f"{bare}/v1{PATH}"


def _error_of(reply: HttpReply) -> tuple[str, str | None, str | None]:
    """Message, code and parameter, where the answer has the usual form."""
    try:
        error = reply.record().get("error")
    except Unreadable:
        return reply.excerpt, None, None
    if not isinstance(error, dict):
        return reply.excerpt, None, None
    said, code, param = (error.get(name) for name in ("message", "code", "param"))
    return (
        excerpt(said) if isinstance(said, str) else reply.excerpt,
        code if isinstance(code, str) else None,
        param if isinstance(param, str) else None,
    )
