"""`/speech/v1/audio/speech`: a speech server such as many offer, with voices that only hum.

What it says is as long as its text, has a syllable for every few letters and a silence at every
stop, and is never the same twice: a client that cannot live with that finds out here.
"""

from __future__ import annotations

import asyncio
import io
import re
import secrets
import wave
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door, Json, read_json
from omnihuman_blocks.sandbox.settings import Settings

RATE = 24000
PATH = "/speech/v1"
VOICES = {"alloy": 150, "ash": 110, "coral": 210, "echo": 120, "nova": 220, "onyx": 95, "sage": 185}
"""Pitch in hertz."""
MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
SECONDS_PER_LETTER = 0.065
PAUSES = {",": 0.15, ";": 0.2, ":": 0.2, ".": 0.35, "!": 0.35, "?": 0.35, "\n": 0.5}
FULL_STOPS = str.maketrans("\u3002\u3001\uff01\uff1f\uff0c\u061f\u0964", ".,!?,?.")
"""The stops of Chinese, Arabic and Hindi."""
MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One text that was spoken."""

    text: str
    voice: str
    model: str
    speed: float
    body: dict[str, Any]


@dataclass
class SpeechServer:
    """Beside the vendors; nothing of it is bought by them."""

    settings: Settings
    spoken: list[Utterance] = field(default_factory=list)
    asked: int = 0

    def routes(self) -> list[BaseRoute]:
        """One address."""
        return [Route(f"{PATH}/audio/speech", Door(self.speak), methods=["POST"])]

    def forget(self) -> None:
        """Nothing was asked."""
        self.spoken.clear()
        self.asked = 0

    async def speak(self, request: Request) -> Answer:
        """POST /speech/v1/audio/speech"""
        self.asked += 1
        own = self.settings.speech
        if request.headers.get("authorization") != f"Bearer {own.key}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        if own.answers_first:
            status, *own.answers_first = own.answers_first
            return _error(status, "The server had an error.", None).with_headers(
                {"retry-after": "0"} if status == 429 else {}
            )
        try:
            body = await read_json(request)
        except ValueError:
            return _error(400, "The body is no JSON.", None)
        wrong = _wrong(body, own.most_characters)
        if wrong is not None:
            return wrong
        said = Utterance(
            text=body["input"],
            voice=body["voice"],
            model=body["model"],
            speed=float(body.get("speed", 1)),
            body=body,
        )
        format_ = body.get("response_format", "mp3")
        content = await asyncio.to_thread(_file, said, format_)
        self.spoken.append(said)
        return Answer(body=content, media_type=MEDIA_TYPES[format_])


def _wrong(body: Json, most: int) -> Answer | None:
    if not isinstance(body, dict):
        return _error(400, "Send a JSON object.", None)
    for name in ("model", "input", "voice"):
        if not isinstance(body.get(name), str) or not body[name].strip():
            return _error(400, f"Missing required parameter: '{name}'.", None, name)
    if body["model"] not in MODELS:
        return _error(404, f"The model '{body['model']}' does not exist.", "model_not_found")
    limits = {
        "voice": (body["voice"] in VOICES, f"Use one of {', '.join(sorted(VOICES))}."),
        "input": (len(body["input"]) <= most, f"At most {most} characters."),
        "response_format": (body.get("response_format", "mp3") in MEDIA_TYPES, "wav or mp3."),
    }
    wrong = next((name for name, (is_right, _) in limits.items() if not is_right), None)
    if wrong is None:
        return None
    return _error(400, f"Invalid '{wrong}'. {limits[wrong][1]}", None, wrong)


def _error(status: int, said: str, code: str | None, param: str | None = None) -> Answer:
    error = {"message": said, "type": "invalid_request_error", "param": param, "code": code}
    return Answer(status=status, body={"error": error})


# --- humming ----------------------------------------------------------------------------------


def _file(said: Utterance, format_: str) -> bytes:
    samples = hum(said.text, VOICES[said.voice], said.speed)
    return _streamed_wave(samples) if format_ == "wav" else _mp3(samples)


def hum(text: str, pitch: float, speed: float = 1.0) -> npt.NDArray[np.int16]:
    """A text as a voice without words: it rises and falls, and is silent at stops."""
    pieces = [_silence(0.05)]
    for word in re.findall(r"\w+|[^\w\s]|\n", text.translate(FULL_STOPS)):
        if word in PAUSES:
            pieces.append(_silence(PAUSES[word] / speed))
        elif word[0].isalnum():
            pieces += [_word(word, pitch, speed), _silence(0.04 / speed)]
    return np.concatenate(pieces)


def _word(word: str, pitch: float, speed: float) -> npt.NDArray[np.int16]:
    # What writes without spaces says more with each sign.
    letters = sum(3 if ord(letter) > 0x2E80 else 1 for letter in word)
    count = int(RATE * max(2, letters) * SECONDS_PER_LETTER / speed)
    time = np.arange(count) / RATE
    turn = 2 * np.pi * pitch * (time + 0.03 * np.sin(2 * np.pi * 1.7 * time))
    formants = 1 + (sum(word.encode()) % 5)
    sound = sum(np.sin(n * turn) / (1 + abs(n - formants)) for n in range(1, 9))
    syllables = 0.35 + 0.65 * np.abs(np.sin(np.pi * time * 4.5 * speed))
    edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.015)
    return (sound * syllables * edge * 5000).clip(-32000, 32000).astype(np.int16)


def _silence(seconds: float) -> npt.NDArray[np.int16]:
    """Nearly: nobody records the same noise twice."""
    count = int(seconds * RATE)
    noise = np.frombuffer(secrets.token_bytes(count), dtype=np.uint8)
    return (noise % 3).astype(np.int16) - 1


def _streamed_wave(samples: npt.NDArray[np.int16]) -> bytes:
    """With the lengths that servers write that send before they have spoken: none."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    whole = bytearray(file.getvalue())
    whole[4:8] = whole[40:44] = b"\xff\xff\xff\xff"
    return bytes(whole)


def _mp3(samples: npt.NDArray[np.int16]) -> bytes:
    import av  # noqa: PLC0415 - slow to import, and few ask for it

    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16p", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    return file.getvalue()
