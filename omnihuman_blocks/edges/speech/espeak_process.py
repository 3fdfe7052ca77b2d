"""One text in, its sound out, in a process of its own: what eSpeak NG says the second time in one
process differs from what it says the first time, and threads bring it down.

Started by its path and not imported: it needs nothing but Python's own library and is there in a
few hundredths of a second. It stands in the folder of the engine, because long paths are too long
for it. Reads JSON, writes one line of JSON and the samples after it.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
UTF8 = 1
RATE = 1
LAST, WORD, END = 0, 1, 5
REFUSED = 3


class Event(ctypes.Structure):
    """What is told beside the samples."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class Voice(ctypes.Structure):
    """How a voice is asked for, and what was chosen."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


OnSound = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)


def main() -> None:
    """Speaks what stands on standard input."""
    library, data = sys.argv[1:]
    wanted = json.load(sys.stdin)
    engine = ctypes.CDLL(library)
    engine.espeak_Info.restype = ctypes.c_char_p
    engine.espeak_GetCurrentVoice.restype = ctypes.POINTER(Voice)
    rate = engine.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), DO_NOT_EXIT)
    if rate <= 0:
        _refuse("its data cannot be read")
    _choose(engine, wanted["voice"])
    engine.espeak_SetParameter(RATE, wanted["words_per_minute"], 0)
    samples, events = _speak(engine, wanted["text"].encode())
    release = engine.espeak_Info(None).decode()
    told = {"release": release, "rate": rate, "events": events}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + samples)


def _choose(engine: Any, voice: str) -> None:
    """By language, looking at what was chosen: an unknown name leaves the last voice in place."""
    language, _, variant = voice.partition("+")
    asked = Voice(languages=language.encode())
    failed = engine.espeak_SetVoiceByProperties(ctypes.byref(asked))
    chosen = engine.espeak_GetCurrentVoice().contents
    spoken = (chosen.languages or b"")[1:].decode()  # behind a byte that tells how well
    if failed or spoken != language:
        _refuse(f"it has no voice for {language}")
    if variant:
        name = chosen.identifier + b"+" + variant.encode()
        failed = engine.espeak_SetVoiceByName(name)
        if failed or engine.espeak_GetCurrentVoice().contents.identifier != name:
            _refuse(f"it has no variant {variant}")


def _speak(engine: Any, text: bytes) -> tuple[bytes, list[tuple[int, int, int, int]]]:
    samples = bytearray()
    events: list[tuple[int, int, int, int]] = []

    def on_sound(sound: Any, count: int, told: Any) -> int:
        if sound and count > 0:
            samples.extend(ctypes.string_at(sound, 2 * count))
        at = 0
        while told[at].type != LAST:
            event = told[at]
            if event.type in (WORD, END):
                events.append((event.type, event.text_position, event.length, event.sample))
            at += 1
        return 0

    callback = OnSound(on_sound)
    engine.espeak_SetSynthCallback(callback)
    size = ctypes.c_size_t(len(text) + 1)
    if engine.espeak_Synth(text + b"\0", size, 0, 1, 0, UTF8, None, None):
        _refuse("it did not take the text")
    return bytes(samples), events


def _refuse(why: str) -> None:
    sys.stderr.write(why)
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
