"""A text -> the pieces that a caption may be broken between, and how its script is read.

A piece is never smaller than what a reader sees as one letter. Scripts with spaces break at them;
Chinese and Japanese between most signs, Thai, Lao, Burmese and Khmer where they put a space, and
inside a word only where nothing else helps.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise

import regex

from omnihuman_blocks.domain.locales import language_of
from omnihuman_blocks.domain.sentences import sentences
from omnihuman_blocks.domain.writing import has_no_spaces, letters_by_script, script_of, tidy


@dataclass(frozen=True, kw_only=True)
class Style:
    """How captions in one family of scripts are read: published guides for subtitles agree."""

    line: int
    """Letters in a line; signs as wide as two letters count double where the script has both."""
    per_second: int
    """How many of them people read in a second."""
    is_wide: bool = False
    right_to_left: bool = False


LATIN = Style(line=42, per_second=17)
"""Also Cyrillic, Greek, Armenian and Georgian."""
CHINESE = Style(line=16, per_second=9, is_wide=True)
JAPANESE = Style(line=16, per_second=7, is_wide=True)
KOREAN = Style(line=16, per_second=12, is_wide=True)
THAI = Style(line=35, per_second=17)
"""Also Lao, Khmer and Burmese: no spaces between words, marks above and below."""
INDIC = Style(line=42, per_second=22)
ARABIC = Style(line=42, per_second=20, right_to_left=True)
HEBREW = Style(line=42, per_second=17, right_to_left=True)

STYLES = {
    "CJK": CHINESE,
    "BOPOMOFO": CHINESE,
    "HIRAGANA": JAPANESE,
    "KATAKANA": JAPANESE,
    "HANGUL": KOREAN,
    "THAI": THAI,
    "LAO": THAI,
    "KHMER": THAI,
    "MYANMAR": THAI,
    "TIBETAN": THAI,
    "ARABIC": ARABIC,
    "HEBREW": HEBREW,
    **dict.fromkeys(
        [
            *("BENGALI", "DEVANAGARI", "GUJARATI", "GURMUKHI", "KANNADA"),
            *("MALAYALAM", "ORIYA", "SINHALA", "TAMIL", "TELUGU"),
        ],
        INDIC,
    ),
}


ROOM, WIDE_ROOM = 38, 19
"""How many letters fit across a square picture."""
LEAST, LEAST_WIDE = 20, 10


class Stop(IntEnum):
    """What is behind a piece, the better a place to break, the smaller."""

    SENTENCE = 0
    CLAUSE = 1
    SPACE = 2
    SIGN = 3
    """Between two signs of a script that needs no spaces."""
    LETTER = 4
    """Inside a word."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What stays together."""

    text: str
    stop: Stop
    is_spaced: bool
    """Whether a space follows it on the same line."""
    width: int
    """In half letters, without that space."""


OPENING = frozenset("([{«‹“‘„¿¡「『（《〈【〔｛［〖")  # noqa: RUF001 - signs of many scripts
CLOSING = frozenset(
    ")]}»›”’.,:;!?…%。、，．：；？！）》〉】〕｝］〗」』・ー々〻ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"  # noqa: RUF001
    "ๆฯะาำๅ"  # vowels and signs of Thai that belong to what stands before them
    "ະາຳໆ។៕៖ៗ၊။"
)
LEADING = frozenset("เแโใไເແໂໃໄ")
"""Vowels of Thai and Lao that are written before the letter that they belong to."""
STACKING = ("\u17d2", "\u1039")
"""Khmer and Burmese: the next letter goes below this one."""
CLAUSE_MARKS = frozenset(",;:،؛、，；：—–။၊។")  # noqa: RUF001
BREAK_HERE = "\u200b"
"""A space without width: where careful authors of Khmer and Thai say that a word ends."""
CLAUSES_BY_SPACE = frozenset({"THAI", "LAO", "KHMER", "MYANMAR"})
ONE_SIGN = frozenset({"CJK", "BOPOMOFO", "HIRAGANA", "KATAKANA"})


def style_of(text: str, locale: str) -> Style:
    """The style of most of its letters; Chinese signs in Japanese are Japanese."""
    letters = letters_by_script(text)
    if not letters:
        return LATIN
    most = max(letters, key=lambda script: letters[script])
    language = language_of(locale)
    if most == "CJK" and language in ("ja", "ko"):
        return JAPANESE if language == "ja" else KOREAN
    if STYLES.get(most) is CHINESE and (letters["HIRAGANA"] or letters["KATAKANA"]):
        return JAPANESE
    return STYLES.get(most, LATIN)


def fitted(style: Style, width: int | None, height: int | None) -> Style:
    """Shorter lines where the picture is narrow.

    Players write letters a twentieth of the picture's height; most are half as wide as high.
    """
    if not width or not height:
        return style
    room = (WIDE_ROOM if style.is_wide else ROOM) * width // height
    return replace(style, line=min(style.line, max(LEAST_WIDE if style.is_wide else LEAST, room)))


def pieces(text: str, style: Style) -> list[Piece]:
    """All of a text, in order."""
    found: list[Piece] = []
    for sentence in sentences(tidy(text)):
        words = [word for word in regex.split(rf"[\s{BREAK_HERE}]+", sentence) if word]
        spaced = _are_spaced(sentence, words)
        for word, is_spaced in zip(words, spaced, strict=True):
            found += _pieces_of(word, style, is_spaced=is_spaced)
        if words:
            found[-1] = _ending(found[-1], Stop.SENTENCE)
    return found


def _are_spaced(sentence: str, words: list[str]) -> Iterator[bool]:
    """Whether a real space follows each word."""
    at = 0
    for word in words[:-1]:
        at = sentence.index(word, at) + len(word)
        yield sentence[at] != BREAK_HERE
    if words:
        yield sentence[-1].isspace()


def _pieces_of(word: str, style: Style, *, is_spaced: bool) -> Iterator[Piece]:
    """A word is one piece, if it fits a line and its script does not break inside words."""
    groups = _short_enough(list(_groups(graphemes(word))), style)
    for number, (text, stop) in enumerate(groups):
        is_last = number == len(groups) - 1
        if is_last:
            stop = _stop_behind(text, is_spaced=is_spaced)  # noqa: PLW2901 - the word ends here
        width = sum(_width(sign, style) for sign in graphemes(text))
        yield Piece(text=text, stop=stop, is_spaced=is_last and is_spaced, width=width)


def graphemes(text: str) -> list[str]:
    """What readers see as letters, whatever they are made of."""
    return regex.findall(r"\X", text)  # type: ignore[no-any-return]


def _groups(signs: list[str]) -> Iterator[tuple[str, Stop]]:
    """Signs that may not be parted, with what is behind them."""
    held = signs[0]
    for before, sign in pairwise(signs):
        stop = _stop_between(before, sign)
        if stop is None:
            held += sign
            continue
        yield held, stop
        held = sign
    yield held, Stop.LETTER


def _stop_between(before: str, after: str) -> Stop | None:
    """None where two signs stay together."""
    first, second = before[0], after[0]
    if before.endswith(STACKING) or first in LEADING or first in OPENING or second in CLOSING:
        return None
    if before[-1] in CLAUSE_MARKS and has_no_spaces(second):
        return Stop.CLAUSE
    if not (has_no_spaces(first) or has_no_spaces(second)):
        return None
    return Stop.SIGN if {script_of(first), script_of(second)} & ONE_SIGN else Stop.LETTER


def _short_enough(groups: list[tuple[str, Stop]], style: Style) -> list[tuple[str, Stop]]:
    """What is longer than a line is broken between letters all the same."""
    most = 2 * style.line
    found: list[tuple[str, Stop]] = []
    for text, stop in groups:
        held, width = "", 0
        for sign in graphemes(text):
            wide = _width(sign, style)
            if held and width + wide > most:
                found.append((held, Stop.LETTER))
                held, width = "", 0
            held, width = held + sign, width + wide
        found.append((held, stop))
    return found


def _stop_behind(text: str, *, is_spaced: bool) -> Stop:
    if text[-1] in CLAUSE_MARKS:
        return Stop.CLAUSE
    if not is_spaced:
        return Stop.SPACE
    return Stop.CLAUSE if script_of(text[0]) in CLAUSES_BY_SPACE else Stop.SPACE


def _ending(piece: Piece, stop: Stop) -> Piece:
    return Piece(text=piece.text, stop=stop, is_spaced=piece.is_spaced, width=piece.width)


def _width(sign: str, style: Style) -> int:
    """In half letters: where a script has wide signs, the others are half as wide."""
    if not style.is_wide:
        return 2
    return 2 if unicodedata.east_asian_width(sign[0]) in "WF" else 1
