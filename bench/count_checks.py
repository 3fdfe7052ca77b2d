# ruff: noqa: RUF001, T201 - many languages, and a bench prints
"""How often the checks cry wolf: good videos of all vendors, and spoilt ones.

Every video is ordered from the sandbox over a vendor's own wire, fetched and judged as a bought one
would be; the sandbox makes none that is wrong. Then some are spoilt in every way that a check is
for. Prints what `docs/checks.md` tells. Takes minutes: `make alarms`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np

from omnihuman_blocks.domain.checks import Figures, verify
from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, JobKey, MediaKind
from omnihuman_blocks.domain.lexicon import say
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import upper_bound
from omnihuman_blocks.domain.speech import Recipe
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import JobState, Ledger
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.edges.speech.espeak import Espeak
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.walk.accounts import seller_from_environment
from omnihuman_blocks.walk.house import House, desk_for
from omnihuman_blocks.walk.progress import Board
from omnihuman_blocks.walk.walker import Errand, walk

DEMO = Path(str(files("omnihuman_blocks"))) / "demo"
DEFECTS = Path(__file__).parents[1] / "tests" / "publish" / "defects.py"
TEXTS = {
    "en-GB": "Good evening. The doors open at seven, and the first talk begins at half past.",
    "fr-FR": "Bonsoir à tous. Les portes ouvrent à sept heures, et la première conférence suit.",
    "pt-BR": "Boa noite. As portas abrem às sete, e a primeira palestra começa logo depois.",
    "ru-RU": "Добрый вечер. Двери открываются в семь, первый доклад начинается чуть позже.",
    "el-GR": "Καλησπέρα. Οι πόρτες ανοίγουν στις επτά και η πρώτη ομιλία αρχίζει αμέσως μετά.",
    "pl-PL": "Dobry wieczór. Drzwi otwieramy o siódmej, a pierwszy wykład zaczyna się zaraz potem.",
    "tr-TR": "İyi akşamlar. Kapılar yedide açılır, ilk konuşma hemen ardından başlar.",
    "vi-VN": "Chào buổi tối. Cửa mở lúc bảy giờ, và bài nói đầu tiên bắt đầu ngay sau đó.",
    "zh-CN": "晚上好。七点开门，随后开始第一场演讲。",
    "ko-KR": "안녕하세요. 문은 일곱 시에 열리고 첫 강연이 곧 시작됩니다.",
}
"""Beside the recordings of the demonstration: German, English, Spanish, Arabic, Hindi."""
FORMATS = {
    "wav": ("wav", "pcm_s16le", 22050),
    "mp3": ("mp3", "libmp3lame", 44100),
    "m4a": ("ipod", "aac", 44100),
    "ogg": ("ogg", "libopus", 48000),
}
TAKEN = {
    "runware": ("wav", "mp3", "m4a"),
    "fal": ("wav", "mp3", "m4a", "ogg"),
    "pixazo": ("wav", "mp3"),
    "aimlapi": ("wav", "mp3"),
}
"""What each vendor's model takes, by its documentation."""
CONTAINERS = ("MP4", "WEBM", "MOV")
SPOILT = 12


@dataclass(frozen=True, kw_only=True)
class Order:
    """One video."""

    vendor: str
    language: str
    audio: str
    face: str
    format: str
    container: str | None


def voices() -> Iterator[tuple[str, bytes]]:
    """Every recording: real voices are made by an embedded one, in many languages."""
    for path in sorted((DEMO / "audio").glob("*.mp3")):
        yield path.stem.partition("-")[2], path.read_bytes()
    engine = Espeak()
    from omnihuman_blocks.edges.speech.espeak import _spoken  # noqa: PLC0415 - no server

    for locale, text in TEXTS.items():
        recipe = Recipe(
            text=text, locale=locale, voice=engine.voice(None, locale), engine=engine.name
        )
        yield locale, _spoken(recipe, say(text, ())).content


def encoded(audio: bytes, name: str) -> bytes:
    """The recording in another format."""
    container, codec, rate = FORMATS[name]
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    with av.open(io.BytesIO(audio)) as source:
        pieces = [
            piece.to_ndarray()
            for frame in [*source.decode(audio=0), None]
            for piece in resampler.resample(frame)
        ]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout="mono")
        whole = av.AudioFrame.from_ndarray(np.concatenate(pieces, axis=1), "flt", "mono")
        whole.sample_rate = rate
        output.mux([*stream.encode(whole), *stream.encode(None)])
    return file.getvalue()


def orders(sandbox: Sandbox) -> Iterator[Order]:
    """Every voice, in every format that a vendor takes, with every face in turn."""
    faces = [
        sandbox.host(path.name, path.read_bytes(), "image/jpeg")
        for path in sorted((DEMO / "avatars").glob("*.jpg"))
    ]
    turn = 0
    for number, (language, audio) in enumerate(voices()):
        hosted = {
            name: sandbox.host(f"v{number}.{name}", encoded(audio, name), f"audio/{name}")
            for name in FORMATS
        }
        for vendor, formats in TAKEN.items():
            for name in formats:
                turn += 1
                yield Order(
                    vendor=vendor,
                    language=language,
                    audio=hosted[name],
                    face=faces[turn % len(faces)],
                    format=name,
                    container=CONTAINERS[turn % 3] if vendor == "runware" else None,
                )


async def errand(order: Order, examiner: Examiner) -> Errand:
    """The job, as a plan would make it."""
    model = PROVIDERS[order.vendor].MODELS["1.5"]
    wishes = {} if order.container is None else {"output_format": order.container}
    options, _ = model.options.understand(wishes)
    seen = await examiner.examine(order.face, MediaKind.IMAGE, "")
    heard = await examiner.examine(order.audio, MediaKind.AUDIO, "")
    key = job_key(
        provider=order.vendor,
        model=model.id,
        image=seen.sha256,
        audio=heard.sha256,
        options=options,
    )
    job = Job(
        key=key,
        provider=order.vendor,
        model=model.id,
        image=seen,
        audio=heard,
        options=options,
    )
    return Errand(job=job, bound=upper_bound(model.price, heard.seconds or Decimal(0)))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of the orders, by job."""

    errands: Mapping[JobKey, Errand]
    orders: Mapping[JobKey, Order]
    states: Mapping[JobKey, JobState]
    looks: Mapping[JobKey, int]
    """How often a vendor was asked for the file again: the checks had said no."""
    spoken: Mapping[JobKey, bytes]


async def bought(sandbox: Sandbox, wanted: list[Order], folder: Path) -> Found:
    """Walks every order to its end."""
    pool = ThreadPoolExecutor(os.cpu_count())
    async with Http() as http:
        with Ledger.open(str(folder / "ledger.db")) as ledger:
            sellers = {
                name: seller_from_environment(name, sandbox.environment) for name in PROVIDERS
            }
            examiner = Examiner(read=partial(http.read, local=True, most=10_000_000), pool=pool)
            house = House(
                http=http,
                ledger=ledger,
                desks={name: desk_for(seller, http, ledger) for name, seller in sellers.items()},
                folder=folder / "videos",
                pool=pool,
                read_upload=examiner.read_upload,
                board=Board(rows_of={}, quote_usd=Decimal(0)),
                patience_seconds=1800,
            )
            errands = [await errand(order, examiner) for order in wanted]
            distinct = {one.job.key: one for one in errands}
            await asyncio.gather(*(walk(house, one) for one in distinct.values()))
            states = ledger.states(list(distinct))
            looks = {
                key: sum(one.event == "look_again" for one in ledger.happenings(key))
                for key in distinct
            }
            spoken = {
                key: (await examiner.read_upload(one.job.audio)).content
                for key, one in distinct.items()
            }
    pool.shutdown()
    return Found(
        errands=distinct,
        orders={one.job.key: order for one, order in zip(errands, wanted, strict=True)},
        states=states,
        looks=looks,
        spoken=spoken,
    )


def defects_module() -> Any:
    """The ways to spoil a video that the tests use."""
    spec = importlib.util.spec_from_file_location("defects", DEFECTS)
    assert spec is not None  # noqa: S101 - a file of this repository
    assert spec.loader is not None  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Counts, and tells."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Sandbox(settings=Settings(time_scale=0.002), workers=os.cpu_count() or 1) as sandbox:
            wanted = list(orders(sandbox))
            found = asyncio.run(bought(sandbox, wanted, folder))
        alarms = report(found)
        missed = spoil(found, folder)
    print(f"\n{time.monotonic() - began:.0f} s")
    return 1 if alarms or missed else 0


def report(found: Found) -> int:
    """The good ones."""
    alarms, by_vendor, by_language = 0, Counter[str](), Counter[str]()
    lowest: dict[str, float] = {}
    worst: dict[str, float] = {}
    for key, state in found.states.items():
        order = found.orders[key]
        by_vendor[order.vendor] += 1
        by_language[order.language] += 1
        if state.stage is not Stage.DONE or found.looks[key]:
            alarms += 1
            print(f"FALSE ALARM {order}: {state.stage} {state.error}")
        figures = Figures.from_json(state.checks)
        if figures is None:
            continue
        lowest["likeness"] = min(lowest.get("likeness", 1.0), float(figures.likeness or 0))
        change = abs((figures.loudness_lufs or 0) - (figures.audio_lufs or 0))
        for name, value in (
            *((n, getattr(figures, n)) for n in ("black_seconds", "frozen_seconds")),
            *((n, getattr(figures, n)) for n in ("silent_seconds", "strange_seconds")),
            ("loudness_change", change),
        ):
            worst[name] = max(worst.get(name, 0.0), float(value))
    total = sum(by_vendor.values())
    print(f"{total} good videos, {alarms} false alarms")
    print("by vendor:", dict(by_vendor))
    print(f"{len(by_language)} languages:", dict(by_language))
    print("nearest to a threshold:", lowest, worst)
    return alarms


def spoil(found: Found, folder: Path) -> int:
    """The spoilt ones, each judged against its own row's audio."""
    defects = defects_module()
    done = [
        (folder / "videos" / state.clip.file, found.errands[key].job)
        for key, state in found.states.items()
        if state.clip is not None and state.clip.file.endswith("mp4")
    ]
    step = max(1, len(done) // SPOILT)
    chosen = done[::step][:SPOILT]
    missed = 0
    path = folder / "spoilt"
    for name, (make, words) in defects.DEFECTS.items():
        caught = 0
        for (file, job), (other, _) in zip(chosen, reversed(chosen), strict=True):
            path.write_bytes(make(file.read_bytes(), defects.heard(other.read_bytes())))
            told = verify(
                clip_facts(path, found.spoken[job.key]), job.audio.seconds or Decimal(0)
            ).defects
            caught += any(words in defect for defect in told)
        missed += len(chosen) - caught
        print(f"{name}: {caught} of {len(chosen)} caught")
    return missed


if __name__ == "__main__":
    sys.exit(main())
