"""The embedded voice in its own process: what it says, that it says it again, and what it cannot.

Its traps were measured: a wrong name leaves the last voice in place, threads bring it down, a
second text in one process sounds otherwise, and letters it does not know are read as English names.
"""

# ruff: noqa: RUF001 - letters of other languages

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from omnihuman_blocks.domain.lexicon import Lexicon
from omnihuman_blocks.domain.speech import Recipe, Spoken
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.edges.speech import Speaker, espeak_process
from omnihuman_blocks.edges.speech.espeak import PACKAGE, Espeak
from omnihuman_blocks.errors import CannotStart, InvalidRow

MakeSpeaker = Callable[..., Speaker]
MakeLexicon = Callable[..., Lexicon]

TEXTS = {
    "en-US": "Welcome to the course. Today we look at the first three steps.",
    "de-DE": "Willkommen zum Kurs. Heute sehen wir uns die ersten drei Schritte an.",
    "fr-FR": "Bienvenue dans le cours. Voici les trois premières étapes.",
    "es-MX": "Bienvenidos al curso. Hoy vemos los tres primeros pasos.",
    "pt-BR": "Bem-vindos ao curso. Hoje vamos ver os três primeiros passos.",
    "pl": "Witamy na kursie. Dziś poznamy trzy pierwsze kroki.",
    "tr": "Kursa hoş geldiniz. Bugün ilk üç adıma bakıyoruz.",
    "ru": "Добро пожаловать на курс. Сегодня мы рассмотрим первые три шага.",
    "el": "Καλώς ήρθατε στο μάθημα. Σήμερα βλέπουμε τα τρία πρώτα βήματα.",
    "ar": "مرحبا بكم في الدورة. اليوم ننظر إلى الخطوات الثلاث الأولى.",
    "he": "ברוכים הבאים לקורס. היום נראה את שלושת הצעדים הראשונים.",
    "hi": "पाठ्यक्रम में आपका स्वागत है। आज हम पहले तीन कदम देखेंगे।",
    "th": "ยินดีต้อนรับสู่หลักสูตร วันนี้เราจะดูสามขั้นตอนแรก",
    "zh-CN": "欢迎参加课程。今天我们来看前三个步骤。",
    "ja": "ようこそ、コースへ。きょうは はじめの みっつを みます。",
    "ko": "강의에 오신 것을 환영합니다. 오늘은 처음 세 단계를 봅니다.",
    "vi": "Chào mừng bạn đến với khóa học. Hôm nay chúng ta xem ba bước đầu tiên.",
}
UNSPACED = {"th", "zh-CN", "ja"}
"""Where the engine's idea of a word is not to be seen in the text."""


def heard(spoken: Spoken) -> Decimal:
    """The length in decoded samples."""
    return listen(Path(spoken.media.uri).read_bytes()).seconds


async def say(speaker: Speaker, text: str, locale: str, voice: str | None = None) -> Spoken:
    return await speaker.speak(speaker.recipe(text=text, locale=locale, voice=voice))


async def test_every_language_is_spoken_with_the_times_of_its_words(
    make_speaker: MakeSpeaker,
) -> None:
    """As long as it says, each word once and in order, from the first sound to the last."""
    speaker = make_speaker(Espeak())
    every = await asyncio.gather(*(say(speaker, text, tag) for tag, text in TEXTS.items()))
    for (locale, text), spoken in zip(TEXTS.items(), every, strict=True):
        media, words = spoken.media, spoken.words
        assert media.seconds == heard(spoken), locale
        assert 1.5 < float(media.seconds or 0) < 12, locale
        assert media.format == "wav"
        assert media.source == media.identity != media.sha256
        times = [time for word in words for time in (word.start_seconds, word.end_seconds)]
        assert times == sorted(times), locale
        assert times[0] == 0, locale
        assert abs(times[-1] - (media.seconds or 0)) < Decimal("0.01"), locale
        shown = [re.sub(r"[^\w]", "", word.text) for word in words]
        if locale in UNSPACED or locale == "hi":
            assert set("".join(shown)) <= set(text), locale
            assert len(words) >= 3, locale
        else:
            assert shown == re.findall(r"\w+", text.replace("-", "")), locale


async def test_the_same_recipe_sounds_the_same_in_every_process(
    make_speaker: MakeSpeaker,
) -> None:
    """Whatever was spoken before it: that is what the short-lived process is for."""
    first, second = make_speaker(Espeak(), folder="a"), make_speaker(Espeak(), folder="b")
    alone = await say(first, "Say it once more.", "en")
    await asyncio.gather(*(say(second, f"Number {n}.", "de") for n in range(6)))
    again = await say(second, "Say it once more.", "en")
    assert (alone.media.sha256, alone.words) == (again.media.sha256, again.words)
    assert alone.media.source == again.media.source


async def test_voices_and_speeds_are_heard(make_speaker: MakeSpeaker) -> None:
    """Each of them is another recipe, and another sound."""
    usual = make_speaker(Espeak())
    texts = [await say(usual, "How fast is it?", "en", voice) for voice in (None, "f2", "m3")]
    slow, quick = (make_speaker(Espeak(speed=Decimal(speed))) for speed in ("0.5", "2"))
    texts += [await say(speaker, "How fast is it?", "en") for speaker in (slow, quick)]
    assert len({spoken.media.sha256 for spoken in texts}) == 5
    assert len({spoken.media.source for spoken in texts}) == 5
    assert heard(texts[3]) > heard(texts[0]) * Decimal("1.5")
    assert heard(texts[4]) < heard(texts[0]) / Decimal("1.5")


async def test_a_lexicon_is_heard_and_its_words_are_told_as_written(
    make_speaker: MakeSpeaker, make_lexicon: MakeLexicon
) -> None:
    """Kanji that the voice cannot read are spoken once somebody says how."""
    text, readings = "今日は世界", (("ja", "今日", "きょう"), ("ja", "世界", "せかい"))
    with pytest.raises(InvalidRow, match="cannot read Chinese characters in ja, such as 今"):
        make_speaker(Espeak()).recipe(text=text, locale="ja")
    with pytest.raises(InvalidRow, match="such as 世"):
        make_speaker(Espeak(), lexicon=make_lexicon(readings[0])).recipe(text=text, locale="ja")
    spoken = await say(make_speaker(Espeak(), lexicon=make_lexicon(*readings)), text, "ja")
    assert "".join(word.text for word in spoken.words) == text
    assert heard(spoken) > Decimal("0.6")


async def test_a_name_the_engine_does_not_know_is_refused_by_its_process_too(
    make_speaker: MakeSpeaker,
) -> None:
    """It would say the text in another voice, and report no error."""
    speaker = make_speaker(Espeak())
    recipe = speaker.recipe(text="Hello", locale="en-US")
    for voice, said in (("en-us+zz", "no variant zz"), ("tlh", "no voice for tlh")):
        with pytest.raises(InvalidRow, match=said) as refused:
            await speaker.speak(replace(recipe, voice=voice))
        assert refused.value.column == "text"


@pytest.mark.parametrize("speed", ["0.1", "9"])
def test_a_speed_it_does_not_have_is_refused(speed: str) -> None:
    """The engine would take the nearest one, and the recipe would not say so."""
    with pytest.raises(CannotStart, match=r"0\.5 to 2\.5"):
        Espeak(speed=Decimal(speed))


async def test_its_process_sees_no_keys_and_its_end_is_the_end_of_one_row(
    make_speaker: MakeSpeaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another program in its place tells what it sees, and then dies as the engine might."""
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import os, signal, sys\n"
        "print(sorted(os.environ), file=sys.stderr, flush=True)\n"
        "sys.stdin.read() and os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.setenv("OMNIHUMAN_SPEECH_KEY", "sk-very-secret")
    monkeypatch.setattr(espeak_process, "__file__", str(probe))
    with pytest.raises(InvalidRow, match="cannot speak `text`") as refused:
        await say(make_speaker(Espeak()), "Hello", "en")
    assert "OMNIHUMAN" not in str(refused.value)
    assert "PATH" not in str(refused.value)


async def test_a_deep_folder_is_no_trouble(
    make_speaker: MakeSpeaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The engine knows no paths longer than 160 characters; environments often lie deeper."""
    loaded = sys.modules.pop(PACKAGE, None)
    assert loaded is None
    from importlib.util import find_spec  # noqa: PLC0415 - where it is now

    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    shutil.copytree(Path(spec.origin).parent, deep / PACKAGE)
    monkeypatch.syspath_prepend(deep)
    assert heard(await say(make_speaker(Espeak()), "Hello", "en")) > Decimal("0.3")


async def test_without_the_extra_only_what_was_kept_is_spoken(
    make_speaker: MakeSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder can be finished elsewhere; a new text says what to install."""
    kept = await say(make_speaker(Espeak()), "Said before", "en")
    monkeypatch.setattr("omnihuman_blocks.edges.speech.espeak.PACKAGE", "nobody_installed_this")
    assert await say(make_speaker(Espeak()), "Said before", "en") == kept
    with pytest.raises(InvalidRow, match=r"prefect-omnihuman\[speech\]") as refused:
        await say(make_speaker(Espeak()), "Never said", "en")
    assert refused.value.column == "text"


def test_a_recipe_is_made_without_a_process() -> None:
    """What cannot be spoken is refused for the price of looking at it."""
    from omnihuman_blocks.edges.speech import Speech  # noqa: PLC0415

    speech = Speech(engine=Espeak())
    recipe = speech.recipe(text="  Two   spaces ", locale="en-US", voice="f1")
    assert recipe == Recipe(
        text="Two spaces", locale="en-US", voice="en-us+f1", engine="espeak-ng/1.52"
    )
    for cell, column in (({"locale": "tlh"}, "locale"), ({"voice": "anna"}, "voice")):
        with pytest.raises(InvalidRow) as refused:
            speech.recipe(**{"text": "Hello", "locale": "en-US", **cell})
        assert refused.value.column == column
