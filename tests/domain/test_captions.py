# ruff: noqa: RUF001 - signs of many scripts
"""Captions are what is said, all of it, when it is said, in lines that people can read."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omnihuman_blocks.domain.caption_text import (
    ARABIC,
    CHINESE,
    HEBREW,
    INDIC,
    JAPANESE,
    KOREAN,
    LATIN,
    THAI,
    Stop,
    Style,
    fitted,
    graphemes,
    pieces,
    style_of,
)
from omnihuman_blocks.domain.captions import (
    GAP_MS,
    LONGEST_MS,
    Captions,
    Cue,
    as_srt,
    as_webvtt,
    caption,
)
from omnihuman_blocks.domain.placing import Span, place
from omnihuman_blocks.domain.sentences import estimate_ms
from omnihuman_blocks.domain.speech import Word
from omnihuman_blocks.domain.writing import tidy

TEXTS = {
    "en-US": "Welcome to the new season. In this short video I will show you how to set up your "
    "device, step by step, and what to do if something goes wrong. Dr. Smith said: stay calm!",
    "de-DE": "Die Donaudampfschifffahrtsgesellschaft grüßt. Schön, dass Sie da sind!",
    "ru-RU": "Добро пожаловать! Сегодня мы покажем, как настроить новое устройство шаг за шагом.",
    "el-GR": "Καλώς ήρθατε στη νέα σεζόν. Σε αυτό το βίντεο θα σας δείξω τη συσκευή σας.",
    "ar": "مرحبا بكم في iPhone 15 الجديد. سنعرض لكم اليوم كيفية إعداد الجهاز، خطوة بخطوة!",
    "he-IL": "שלום וברוכים הבאים. היום נראה לכם איך מגדירים את המכשיר החדש שלכם צעד אחר צעד.",
    "hi-IN": "नमस्ते और आपका स्वागत है। आज हम आपको दिखाएँगे कि अपने नए उपकरण को कैसे सेट करें।",
    "th-TH": "ยินดีต้อนรับสู่ฤดูกาลใหม่ ในวิดีโอสั้นนี้ฉันจะแสดงวิธีตั้งค่าอุปกรณ์ของคุณทีละขั้นตอนและสิ่งที่ต้องทำ",
    "km-KH": "សូមស្វាគមន៍មកកាន់រដូវកាលថ្មី នៅក្នុងវីដេអូខ្លីនេះខ្ញុំនឹងបង្ហាញអ្នកពីរបៀបរៀបចំឧបករណ៍",
    "zh-CN": "欢迎来到新的一季。"
    "在这个简短的视频中，我将逐步向您展示如何设置您的iPhone设备，以及该怎么办。",
    "ja-JP": "新しいシーズンへようこそ。この短いビデオでは、「設定」の方法をご紹介します。",
    "ko-KR": "새로운 시즌에 오신 것을 환영합니다. "
    "이 짧은 영상에서는 기기를 설정하는 방법을 보여드립니다.",
}
STYLES = {
    "en-US": LATIN,
    "de-DE": LATIN,
    "ru-RU": LATIN,
    "el-GR": LATIN,
    "ar": ARABIC,
    "he-IL": HEBREW,
    "hi-IN": INDIC,
    "th-TH": THAI,
    "km-KH": THAI,
    "zh-CN": CHINESE,
    "ja-JP": JAPANESE,
    "ko-KR": KOREAN,
}


def squeezed(text: str) -> str:
    """Without spaces of any kind."""
    return re.sub(r"[\s\u200b]+", "", tidy(text))


def width(line: str, style: Style) -> float:
    if not style.is_wide:
        return len(graphemes(line))
    return sum(1 if ord(sign[0]) > 0x2E80 else 0.5 for sign in graphemes(line))


def check(text: str, captions: Captions, length: int, style: Style) -> None:
    """What holds for every caption of every text."""
    shown = " ".join(line for cue in captions.cues for line in cue.lines)
    assert squeezed(shown) == squeezed(text)
    whole = {""} | {sign.strip() for sign in regex.findall(r"\X", tidy(text))}
    for cue in captions.cues:
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert line == line.strip() != ""
            assert width(line, style) <= style.line
            assert {sign.strip() for sign in graphemes(line)} <= whole
    moments = [moment for cue in captions.cues for moment in (cue.start_ms, cue.end_ms)]
    assert moments == sorted(moments)
    assert all(cue.start_ms < cue.end_ms for cue in captions.cues)
    assert all(moment <= length + len(captions.cues) for moment in moments)


@pytest.mark.parametrize("locale", TEXTS)
def test_every_script_is_broken_as_its_readers_expect(locale: str) -> None:
    """Nothing is lost, no letter is cut, no line is too long, and most people can keep up."""
    text = TEXTS[locale]
    style = style_of(text, locale)
    assert style is STYLES[locale]
    length = int(estimate_ms(text) * 1.3)
    captions = caption(text, locale, length)
    check(text, captions, length, style)
    assert captions.right_to_left == (locale in ("ar", "he-IL"))
    assert captions.too_fast == 0
    assert all(cue.end_ms - cue.start_ms <= LONGEST_MS for cue in captions.cues)


def test_captions_end_where_sentences_and_clauses_do() -> None:
    """As a reader would breathe; not in the middle of a phrase."""
    captions = caption(TEXTS["en-US"], "en-US", 13_000)
    assert [" / ".join(cue.lines) for cue in captions.cues] == [
        "Welcome to the new season.",
        "In this short video I will show you / how to set up your device, step by step,",
        "and what to do if something goes wrong. / Dr. Smith said: stay calm!",
    ]


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("我们说「你好」，他说（再见）。" * 4, ("「", "（", "，", "。", "」", "）")),
        ("ちょっとキャッチ、ラーメンをもっと。" * 4, ("ょ", "っ", "ャ", "ー", "、", "。")),
    ],
)
def test_signs_that_belong_together_stay_together(text: str, never: tuple[str, ...]) -> None:
    """No line begins with a full stop or a small sound, and none ends with an opening bracket."""
    captions = caption(text, "zh-CN", estimate_ms(text))
    lines = [line for cue in captions.cues for line in cue.lines]
    assert not [line for line in lines if line[0] in never[1:] and line[0] not in "「（"]
    assert not [line for line in lines if line[-1] in "「（"]


def test_thai_vowels_stay_with_their_letters_and_authors_may_say_where_words_end() -> None:
    """A vowel that is written first belongs to what follows it; one without width is no space."""
    assert pieces("เมือง", THAI)[0].text.startswith("เม")
    some = pieces("ខ្ញុំ\u200bនឹង", THAI)
    assert not any(one.is_spaced for one in some)
    assert [one.stop for one in some if one.stop is not Stop.LETTER] == [Stop.SPACE, Stop.SENTENCE]
    assert all(one.text[-1] != "\u17d2" for one in some)
    broken = pieces("ខ្មែរ", THAI)
    assert broken[0].text.startswith("ខ្ម")


def test_a_word_that_fits_no_line_is_broken_between_letters() -> None:
    """An address of a page is no reason for a line that runs out of the picture."""
    text = "Siehe " + "x" * 100 + " 👩‍👩‍👧‍👦" * 3
    captions = caption(text, "de", 8_000)
    check(text, captions, 8_000, LATIN)


@pytest.mark.parametrize(
    ("text", "locale", "style"),
    [
        ("123 !", "de", LATIN),
        ("漢字", "ja", JAPANESE),
        ("漢字", "ko", KOREAN),
        ("漢字と仮名", "zh", JAPANESE),
        ("ქართული ენა", "ka", LATIN),
        ("සිංහල", "si", INDIC),
    ],
)
def test_the_style_follows_the_letters(text: str, locale: str, style: Style) -> None:
    """And the language where letters are shared."""
    assert style_of(text, locale) is style


@pytest.mark.parametrize(
    ("text", "length"), [("", 1000), ("   ", 1000), ("\u200b", 1000), ("hello", 0)]
)
def test_nothing_to_say_or_no_time_is_no_caption(text: str, length: int) -> None:
    """An empty file, not a broken one."""
    captions = caption(text, "en", length)
    assert captions.cues == ()
    assert (as_srt(captions), as_webvtt(captions)) == ("", "WEBVTT\n")


# --- when -----------------------------------------------------------------------------------------


def words_of(text: str, pace: int = 90, pause: int = 400) -> tuple[list[Word], list[Span], int]:
    """An engine's word times, the stretches of speech, and the length of it all."""
    words: list[Word] = []
    spoken: list[Span] = []
    at = 300
    for number, word in enumerate(text.split()):
        end = at + pace * len(word) + (40 if number % 3 else 0)
        words.append(
            Word(text=word, start_seconds=Decimal(at) / 1000, end_seconds=Decimal(end) / 1000)
        )
        if spoken and at - spoken[-1][1] < 100:
            spoken[-1] = (spoken[-1][0], end)
        else:
            spoken.append((at, end))
        at = end + (pause if word[-1] in ".,!?:" and word != "Dr." else 0)
    return words, spoken, at + 300


def test_times_of_words_are_kept_to_the_millisecond() -> None:
    """Where an engine told them, a caption begins with its first word and ends with its last."""
    text = TEXTS["en-US"]
    words, _, length = words_of(text)
    some = pieces(text, LATIN)
    assert place(some, length, words=words) == [
        (int(word.start_seconds * 1000), int(word.end_seconds * 1000)) for word in words
    ]
    captions = caption(text, "en-US", length, words=words)
    starts = {int(word.start_seconds * 1000) for word in words}
    assert all(cue.start_ms in starts for cue in captions.cues)
    check(text, captions, length, LATIN)


@pytest.mark.parametrize("pace", [55, 90, 130])
def test_without_times_the_pauses_tell_where_sentences_end(pace: int) -> None:
    """Against the engine's own times: what follows a pause begins with it, all else nearly so."""
    text = TEXTS["en-US"] + " " + TEXTS["de-DE"] + " Twice, or thrice, we all begin again. " * 4
    words, spoken, length = words_of(text, pace)
    some = pieces(text, LATIN)
    true = place(some, length, words=words)
    told = place(some, length, spoken=spoken)
    late = [abs(mine[0] - theirs[0]) for mine, theirs in zip(told, true, strict=True)]
    assert max(late) < 10 * pace
    guessed = caption(text, "en-US", length, spoken=spoken)
    began = {span[0]: late[number] for number, span in enumerate(told)}
    assert max(began[cue.start_ms] for cue in guessed.cues) < 4 * pace
    assert sum(began[cue.start_ms] for cue in guessed.cues) < 100 * len(guessed.cues)
    check(text, guessed, length, LATIN)


def test_pauses_that_no_stop_explains_are_left_over() -> None:
    """Speakers breathe where they like; the full stop takes the pause that is nearest."""
    some = pieces("One two three four. Five six.", LATIN)
    spoken = [(0, 500), (700, 1_000), (1_300, 2_000), (2_600, 3_200), (3_400, 3_600)]
    times = place(some, 4_000, spoken=spoken)
    assert times[3][1] == 2_000
    assert times[4][0] == 2_600


def test_stops_that_nobody_pauses_at_are_passed_over() -> None:
    """A hasty speaker takes a breath once."""
    some = pieces("One two three. Four five six. Seven, eight.", LATIN)
    times = place(some, 3_000, spoken=[(0, 900), (1_500, 3_000)])
    assert times[2][1] == 900
    assert times[3][0] == 1_500
    assert times[5][1] == times[6][0]


def test_more_words_than_there_is_time_for_are_all_at_its_end() -> None:
    """A click of a millisecond says nothing; the captions are there all the same."""
    times = place(pieces("one two three four", LATIN), 100, spoken=[(10, 11)])
    assert times[0][0] == 10
    assert times[-1] == (11, 11)


def test_a_word_that_was_said_otherwise_is_placed_between_its_neighbours() -> None:
    """A lexicon may make an engine say, and tell, something else than is written."""
    text = "Our new API for SQL is here — at last. 2026!"
    spoken_as = "Our new ay-pee-eye for sequel is here at last. twenty twenty-six"
    words, _, length = words_of(spoken_as)
    times = place(pieces(text, LATIN), length, words=words)
    by_word = dict(zip([one.text for one in pieces(text, LATIN)], times, strict=True))
    assert by_word["new"][1] <= by_word["API"][0] <= by_word["API"][1] <= by_word["for"][0]
    assert by_word["here"][1] == by_word["—"][0] == by_word["—"][1] <= by_word["at"][0]
    assert by_word["2026!"][0] >= by_word["last."][1]


def test_what_comes_before_the_first_known_word_comes_no_later() -> None:
    """Nothing is known of it but that."""
    words, _, length = words_of("alpha beta gamma delta")
    times = place(pieces("— Xy alpha beta gamma delta", LATIN), length, words=words)
    assert times[0] == times[1] == (300, 300)
    assert times[2][0] == 300


@pytest.mark.parametrize("said", ["something else entirely was told", "…"])
def test_times_of_another_text_are_not_believed(said: str) -> None:
    """Then the sound decides."""
    words, spoken, length = words_of(said)
    some = pieces("Xyz qpw 123. Jkl.", LATIN)
    assert place(some, length, words=words, spoken=spoken) == place(some, length, spoken=spoken)


def test_signs_alone_can_be_shown() -> None:
    """A text without a letter has no words to hold against others."""
    words, _, length = words_of("three two one")
    (cue,) = caption("…!", "en", length, words=words).cues
    assert cue.lines == ("…!",)


def test_a_caption_stays_until_it_is_read_where_there_is_time() -> None:
    """Into the pause behind it, not into the next one, not beyond the end."""
    first, second = caption("Hi. Bye.", "en", 9_000, spoken=[(0, 200), (4_000, 4_200)]).cues
    assert (first.start_ms, first.end_ms) == (0, 1_000)
    assert (second.start_ms, second.end_ms) == (4_000, 5_000)
    quick = caption("One two. " * 12, "en", 2_000).cues
    gaps = [b.start_ms - a.end_ms for a, b in pairwise(quick)]
    assert all(0 <= gap <= GAP_MS for gap in gaps)
    assert quick[-1].end_ms <= 2_000


def test_speech_that_nobody_can_follow_is_counted() -> None:
    """The captions are complete all the same."""
    captions = caption(TEXTS["en-US"], "en", 4_000)
    assert captions.too_fast == len(captions.cues) > 0


LETTERS = st.sampled_from(
    "abcxyz ,.!?-–—'\"()1234567890äß привет שלום مرحبا नमस्ते สวัสดีเแ๊ កម្ពុជា 你好，。「」世界 "
    "カタカナ 한국어 👩\u200d👩\u200d👧 e\u0301 \n"
)


@settings(max_examples=150, deadline=None)
@example(text="0" * 16 + "「「「カ。\u0947", length=1, gaps=[], told=False)
@given(
    text=st.text(LETTERS, max_size=160),
    length=st.integers(1, 60_000),
    gaps=st.lists(st.tuples(st.integers(80, 3000), st.integers(60, 4000)), max_size=8),
    told=st.booleans(),
)
def test_any_text_keeps_all_its_letters(
    text: str,
    length: int,
    gaps: list[tuple[int, int]],
    told: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    """Whatever is written, and however it is spoken."""
    spoken, at = [], 0
    for gap, stretch in gaps:
        spoken.append((at + gap, at + gap + stretch))
        at += gap + stretch
    length = max(length, at)
    words = words_of(text, 10)[0] if told and text.split() else []
    captions = caption(text, "und", length, words=words, spoken=spoken)
    check(text, captions, max(length, 60_000), style_of(text, "und"))


# --- as files -------------------------------------------------------------------------------------

CUES = (
    Cue(start_ms=0, end_ms=1_500, lines=("A <b> & {c} --> \\N d",)),
    Cue(start_ms=3_723_004, end_ms=3_724_000, lines=("one", "two")),
)


def test_subrip_is_written_as_players_read_it() -> None:
    """Numbered, with commas, and nothing that looks like a time in the text."""
    assert as_srt(Captions(cues=CUES)) == (
        "1\n00:00:00,000 --> 00:00:01,500\nA <b> & {c} → \\N d\n\n"
        "2\n01:02:03,004 --> 01:02:04,000\none\ntwo\n"
    )


def test_webvtt_is_text_and_never_markup() -> None:
    """What stands in a table is shown, not obeyed."""
    assert as_webvtt(Captions(cues=CUES)) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nA &lt;b&gt; &amp; {c} --&gt; \\N d\n\n"
        "01:02:03.004 --> 01:02:04.000\none\ntwo\n"
    )


def test_lines_that_read_from_right_to_left_say_so() -> None:
    """A mark before each line for browsers; an embedding around it for players."""
    captions = caption("15 شيئا! iPhone جديد.", "ar", 3_000)
    (cue,) = captions.cues
    assert f"\n\u200f{cue.lines[0]}\n" in as_webvtt(captions)
    assert f"\n\u202b{cue.lines[0]}\u202c\n" in as_srt(captions)


# --- in narrow pictures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "line", "wide_line"),
    [
        (1920, 1080, 42, 16),
        (1080, 1080, 38, 16),
        (720, 960, 28, 14),
        (720, 1280, 21, 10),
        (100, 1000, 20, 10),
        (None, 1280, 42, 16),
        (720, None, 42, 16),
    ],
)
def test_a_narrow_picture_has_shorter_lines(
    width: int | None, height: int | None, line: int, wide_line: int
) -> None:
    """Or players would break them once more, wherever it happens."""
    assert fitted(LATIN, width, height).line == line
    assert fitted(CHINESE, width, height).line == wide_line
    for locale, style in (("en-US", LATIN), ("zh-CN", CHINESE)):
        captions = caption(TEXTS[locale], locale, 15_000, width=width, height=height)
        check(TEXTS[locale], captions, 15_000, fitted(style, width, height))
