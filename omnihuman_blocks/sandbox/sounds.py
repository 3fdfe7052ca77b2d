"""Seconds -> WAV bytes: the sounds of videos that are not the one that was bought."""

from __future__ import annotations

import array
import io
import math
import wave

RATE = 16000
PITCH = 330.0


def silence(seconds: float) -> bytes:
    """Nothing to hear."""
    return _wav(array.array("h", bytes(2 * int(seconds * RATE))))


def tone(seconds: float) -> bytes:
    """A steady pulse, like no speech."""
    period = [
        int(12000 * math.sin(2 * math.pi * PITCH * n / RATE)) if n % 4000 < 2000 else 0
        for n in range(RATE)
    ]
    return _wav(array.array("h", (period[n % RATE] for n in range(int(seconds * RATE)))))


def _wav(samples: array.array[int]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def sound_format(data: bytes) -> str:
    """The format by its first bytes; `unknown` where they say nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[4:8] == b"ftyp":
        return "m4a"
    if data[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "aac"
    if data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0"):
        return "mp3"
    return {b"OggS": "ogg", b"fLaC": "flac"}.get(data[:4], "unknown")
