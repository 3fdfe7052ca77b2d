"""`--speech` and the environment -> an engine. Its key never stands on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import parse_qsl

from omnihuman_blocks.edges.speech.engine import Engine
from omnihuman_blocks.edges.speech.espeak import Espeak
from omnihuman_blocks.edges.speech.openai import KEY_VARIABLE, OpenAi
from omnihuman_blocks.errors import CannotStart

ESPEAK, OPENAI = "espeak", "openai:"
SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


def choose_engine(word: str | None, environment: Mapping[str, str]) -> Engine:
    """The engine of `--speech`; without it the embedded voice.

    What it is asked for stands behind `?`: `espeak?speed=0.9`,
    `openai:https://api.openai.com/v1?model=tts-1-hd&speed=1.1`. A name that is not one of ours
    goes to the server as it is.
    """
    if word is None:
        return Espeak()
    bare, _, query = word.partition("?")
    wishes = dict(parse_qsl(query, keep_blank_values=True))
    if bare == ESPEAK:
        return _espeak(word, wishes)
    if bare.startswith(OPENAI):
        return _openai(bare.removeprefix(OPENAI), wishes, environment.get(KEY_VARIABLE, ""))
    raise CannotStart(f"--speech {bare}: write {ESPEAK}, {OPENAI}URL or block:NAME.")


def _espeak(word: str, wishes: dict[str, str]) -> Espeak:
    speed = _speed(wishes)
    if wishes:
        raise CannotStart(f"--speech {word}: the embedded voice takes only `speed`.")
    return Espeak(speed=speed)


def _openai(url: str, wishes: dict[str, str], key: str) -> OpenAi:
    for name in wishes:
        if SECRET.search(name):
            raise CannotStart(
                f"--speech: `{name}` does not belong on a command line. Set {KEY_VARIABLE}."
            )
    speed = _speed(wishes)
    named = {name: wishes.pop(name) for name in ("model", "format") if name in wishes}
    return OpenAi(url=url, key=key.strip(), speed=speed, extra=wishes, **named)


def _speed(wishes: dict[str, str]) -> Decimal:
    written = wishes.pop("speed", "1")
    try:
        speed = Decimal(written)
    except ArithmeticError:
        speed = Decimal("nan")
    if not speed.is_finite():
        raise CannotStart(f"--speech: speed={written} is no number. Write one such as 0.9.")
    return speed
