# ruff: noqa: INP001 - a program beside the package
"""Speaks the texts of the demo's script table into the MP3 files that the table names.

    pip install espeakng-loader && python examples/speak_demo.py

The recordings ship in the package, so this runs only when a text changes. The voice is eSpeak NG
(GPL-3.0-or-later, used here as a program and no dependency of the package): a plain robot, but an
honest one, in a hundred languages and without a network. Each clip is spoken in a fresh process,
because the library gives the same sound again only then.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import subprocess
import sys
import wave
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

DEMO = Path(__file__).resolve().parent.parent / "omnihuman_blocks" / "demo"
MP3_BITS_PER_SECOND = 48_000
EDGE_SECONDS = 0.12

LANGUAGES = {"en-GB": "en-gb", "en-US": "en-us", "fr-FR": "fr-fr"}
"""What eSpeak calls a language where the locale's own first part would not do."""
GENDERS = {"male": 1, "female": 2}
RATE, PITCH, RANGE = 1, 3, 4
SYNCHRONOUS = 2
UTF8_WITH_PAUSE = 0x1001


class Voice(ctypes.Structure):
    """`espeak_VOICE` of speak_lib.h."""

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


Listen = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def speak(text: str, locale: str, gender: str, words_per_minute: int, path: Path) -> None:
    """Speaks once and ends: to be called in a process of its own."""
    import espeakng_loader  # type: ignore[import-not-found]  # noqa: PLC0415 - no dependency

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = Path(espeakng_loader.get_data_path()).parent
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), 0)
    if rate <= 0:
        raise SystemExit(f"eSpeak does not start: {rate}")
    heard: list[int] = []

    def listen(samples: Any, count: int, _: object) -> int:
        heard.extend(samples[:count] if samples else ())
        return 0

    callback = Listen(listen)  # a name of its own: the library must find it alive
    library.espeak_SetSynthCallback(callback)
    language = LANGUAGES.get(locale, locale.partition("-")[0])
    voice = Voice(languages=language.encode(), gender=GENDERS[gender])
    # Chosen by language and checked: a wrong name would go on in the previous language.
    library.espeak_GetCurrentVoice.restype = ctypes.POINTER(Voice)
    refused = library.espeak_SetVoiceByProperties(ctypes.byref(voice))
    if refused or voice.languages not in library.espeak_GetCurrentVoice().contents.languages:
        raise SystemExit(f"eSpeak has no voice for {locale}")
    for parameter, value in ((RATE, words_per_minute), (PITCH, 52), (RANGE, 62)):
        library.espeak_SetParameter(parameter, value, 0)
    content = text.encode() + b"\0"
    if library.espeak_Synth(content, len(content), 0, 0, 0, UTF8_WITH_PAUSE, None, None) != 0:
        raise SystemExit(f"eSpeak cannot speak this: {text}")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.array(heard, dtype="<i2").tobytes())


def polish(path: Path) -> tuple[NDArray[np.float32], int]:
    """Even loudness, silence trimmed to a breath at both ends."""
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1] * (0.85 / np.abs(samples).max())
    ramp = np.minimum(1, np.arange(len(samples), dtype=np.float32) / (rate * 0.008))
    breath = np.zeros(int(rate * EDGE_SECONDS), dtype=np.float32)
    return np.concatenate([breath, samples * ramp * ramp[::-1], breath]), rate


def save_mp3(samples: NDArray[np.float32], rate: int, path: Path) -> None:
    """Mono and small."""
    with av.open(str(path), "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", rate=rate, layout="mono")
        stream.bit_rate = MP3_BITS_PER_SECOND
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate = rate
        output.mux([*stream.encode(frame), *stream.encode(None)])


def main() -> None:
    """One clip after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--say", nargs=5, metavar=("TEXT", "LOCALE", "GENDER", "WPM", "WAV"))
    said = parser.parse_args().say
    if said:
        text, locale, gender, words_per_minute, path = said
        speak(text, locale, gender, int(words_per_minute), Path(path))
        return
    with (DEMO / "scripts.csv").open(encoding="utf-8", newline="") as table:
        # Several rows may share a recording; the first of them says who speaks it.
        rows = {row["audio_uri"]: row for row in reversed(list(csv.DictReader(table)))}
    with (DEMO / "avatars.csv").open(encoding="utf-8", newline="") as table:
        genders = {row["avatar_id"]: row["voice"] for row in csv.DictReader(table)}
    for address, row in rows.items():
        gender = genders.get(row["avatar_id"], "female")
        with TemporaryDirectory() as folder:
            wav = Path(folder) / "speech.wav"
            order = (row["text"], row["locale"], gender, "158", str(wav))
            subprocess.run([sys.executable, __file__, "--say", *order], check=True)  # noqa: S603
            samples, rate = polish(wav)
        save_mp3(samples, rate, DEMO / address)
        print(f"{address}: {len(samples) / rate:.2f} s")  # noqa: T201 - a program that reports


if __name__ == "__main__":
    main()
