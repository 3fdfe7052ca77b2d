"""Voices and faces that are small, and each unlike the others."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from omnihuman_blocks.sandbox.server import Sandbox

RATE = 8000
SECONDS = 0.6
UPLOADS = ("runware", "fal")
"""Vendors that take a local file; the others get an address."""


def voice(number: int) -> bytes:
    moments = np.arange(int(SECONDS * RATE)) / RATE
    dice = np.random.default_rng(number)
    loudness = np.interp(moments, np.linspace(0, SECONDS, 9), 0.2 + 0.8 * dice.random(9))
    noise = dice.standard_normal(len(moments)) * 0.5
    tone = np.sin(2 * np.pi * (150 + 37 * (number % 40)) * moments)
    samples = np.clip(loudness * (tone + noise) * 0.4, -1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def portrait(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 320), (number * 47 % 256, number // 256 % 256, 120)).save(file, "png")
    return file.getvalue()


KINDS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "png": (portrait, "image/png"),
    "wav": (voice, "audio/wav"),
}


class Shelf:
    """Each medium as a file for the vendors that take one, and at an address for the others."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._kept: dict[tuple[str, int, bool], dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def image(self, vendor: str, number: int = 0) -> dict[str, Any]:
        return self._medium("png", vendor, number, {"width": 320, "height": 320})

    def audio(self, vendor: str, number: int) -> dict[str, Any]:
        return self._medium("wav", vendor, number, {"seconds": f"{SECONDS}"})

    def _medium(self, kind: str, vendor: str, number: int, facts: dict[str, Any]) -> dict[str, Any]:
        local = vendor in UPLOADS
        known = self._kept.get((kind, number, local))
        if known is None:
            make, media_type = KINDS[kind]
            content, name = make(number), f"{number}.{kind}"
            (self._folder / name).write_bytes(content)
            uri = str(self._folder / name)
            if not local:
                uri = self._sandbox.host(name, content, media_type)
            digest = sha256(content).hexdigest()
            known = {"uri": uri, "sha256": digest, "size": len(content), "format": kind, **facts}
            self._kept[kind, number, local] = known
        return known
