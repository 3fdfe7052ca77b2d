"""A text -> the slices that are spoken by themselves, and what becomes of them when it is edited.

Slices lie between sentences, in any script; where one sentence is too long, between its clauses,
then its words, then its letters. They are kept with the row: whoever edits a sentence changes the
slice that it is in, and no other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import pairwise

from omnihuman_blocks.domain.cutting import Place, cut

CLOSING = "\"'”’»›)\\]}」』】》〉"  # noqa: RUF001 - quotation marks
_SENTENCE = re.compile(
    rf"(?:[.!?…]+[{CLOSING}]*(?=\s)"  # marks that need a space after them: 3.5, example.com
    rf"|[。！？｡．؟۔।॥։。።፧၊။។៕\u037e⸮]+[.!?…]*[{CLOSING}]*"  # noqa: RUF001 - full stops of other scripts
    r"|\n)\s*"
)
_CLAUSE = re.compile(rf"[,;:،؛、，；：、—–]+[{CLOSING}]*\s*|[.!?…]+[{CLOSING}]*\s+")  # noqa: RUF001
_WORD = re.compile(r"\s+")
SHORT_FORMS = frozenset(
    # Abbreviations of the scripts that have capital letters, without their full stop.
    re.findall(
        r"\w+",
        "dr mr mrs ms prof st sr sra jr vs no nr bzw ca evtl ggf inkl etc z b d h u a e g i "
        "mme mlle m fig vol pp approx dept ing sig dott т е г им ул",  # noqa: RUF001 - Cyrillic
    )
)

SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Thai, Lao, Burmese and Khmer put a space where others put a full stop or a comma."""

CLAUSE_END, WORD_END, LETTER_END = 1_500, 4_000, 8_000
"""How bad a cut is that is not between sentences."""
ROOM = Decimal("0.93")
"""How full a slice is planned: its length is only estimated until it is spoken."""
LEAST_MS = 700
"""A slice that says less is no video worth buying."""

_MS = {
    "CJK": 230,
    "HANGUL": 150,
    "HIRAGANA": 125,
    "KATAKANA": 125,
    "ETHIOPIC": 130,
    "ARABIC": 85,
    "HEBREW": 85,
    "THAI": 75,
}
_LETTER_MS, _DIGIT_MS, _END_MS, _CLAUSE_MS, _SPACE_MS = 62, 260, 350, 150, 15


def sentences(text: str) -> list[str]:
    """The text in slices that each end behind a sentence; together they are the text."""
    return _slices(text, _ends(text, _SENTENCE, unless=_is_short_form))


def estimate_ms(text: str) -> int:
    """How long a voice would take, roughly."""
    return sum(map(_char_ms, text))


def split(text: str, longest: int, pace: Decimal = Decimal(1)) -> list[str]:
    """Slices that should each fit, as even as sentences allow.

    `pace`: how much longer this voice takes than estimated, where that has been heard.
    """

    def length(some: str) -> int:
        return int(estimate_ms(some) * pace)

    room = int(longest * ROOM)
    units = list(_units(text, room, length))
    places, at = [], 0
    for unit, fault in units[:-1]:
        at += length(unit)
        places.append(Place(at=at, fault=fault))
    chosen = cut(at + length(units[-1][0]) if units else 0, places, max(room, 1))
    bounds = [0, *(position + 1 for position in chosen), len(units)]
    words = [unit for unit, _ in units]
    return ["".join(words[a:b]) for a, b in pairwise(bounds)]


def follow(kept: Sequence[str], text: str) -> list[str]:
    """The slices of a text that was edited: cut where they were, as far as those places exist."""
    before = "".join(kept)
    if before == text:
        return list(kept)
    old, new = sentences(before), sentences(text)
    starts, moved = _starts(old), _starts(new)
    blocks = SequenceMatcher(
        None, [one.strip() for one in old], [one.strip() for one in new], autojunk=False
    ).get_matching_blocks()
    same = {a + step: b + step for a, b, size in blocks for step in range(size)}
    ends = []
    at = 0
    for one in kept[:-1]:
        at += len(one)
        number = max(index for index, start in enumerate(starts) if start <= at)
        ends.append(_moved(number, at - starts[number], same, moved, (len(old), len(new))))
    slices = _slices(text, sorted({end for end in ends if end is not None and 0 < end < len(text)}))
    return list(_worth_saying(slices))


def _moved(
    number: int,
    inside: int,
    same: dict[int, int],
    starts: Sequence[int],
    counts: tuple[int, int],
) -> int | None:
    """Where a cut is now that was before a sentence, or in it; None where it cannot be told."""
    if number in same:
        return starts[same[number]] + inside
    if inside:
        return None  # that sentence is another one now
    if number - 1 in same:
        return starts[same[number - 1] + 1]
    # Both its neighbours were edited: as far into what replaced them as it was.
    left = max((a for a in same if a < number), default=-1)
    right = min((a for a in same if a > number), default=counts[0])
    low, high = same.get(left, -1) + 1, same.get(right, counts[1])
    return starts[low + (high - low) * (number - left - 1) // (right - left - 1)]


def _worth_saying(slices: Sequence[str]) -> Iterator[str]:
    """Slices of which nearly nothing is left go with the one before them, or after."""
    waiting = ""
    pending: str | None = None
    for one in slices:
        if estimate_ms(one) < LEAST_MS:
            if pending is None:
                waiting += one
            else:
                pending += one
            continue
        if pending is not None:
            yield pending
        pending, waiting = waiting + one, ""
    yield (pending or "") + waiting


# --- where a text can be divided ----------------------------------------------------------------


def _units(text: str, room: int, length: Callable[[str], int]) -> Iterator[tuple[str, int]]:
    """The smallest pieces that are needed, each with how bad a cut behind it is."""
    for sentence in sentences(text):
        yield from _divided(sentence, 0, room, length)


def _divided(
    text: str, fault: int, room: int, length: Callable[[str], int]
) -> Iterator[tuple[str, int]]:
    """A piece as it is where it fits; else its parts, the last of which ends as it does."""
    parts = [text]
    if length(text) > room:
        parts = next((some for some in _finer(text) if len(some) > 1), parts)
    if len(parts) == 1:
        yield text, fault
        return
    inner = _fault_inside(text, parts)
    for part in parts[:-1]:
        yield from _divided(part, inner, room, length)
    yield from _divided(parts[-1], fault, room, length)


def _finer(text: str) -> Iterator[list[str]]:
    yield _slices(text, _ends(text, _CLAUSE))
    yield _slices(text, _ends(text, _WORD))
    yield _slices(text, [at for at in range(1, len(text)) if not _is_joined(text[at - 1 : at + 1])])


def _fault_inside(text: str, parts: Sequence[str]) -> int:
    end = parts[0]
    if _CLAUSE.search(end) or (end[-1].isspace() and SPACELESS.search(text)):
        return CLAUSE_END
    return WORD_END if end[-1].isspace() else LETTER_END


def _ends(
    text: str, pattern: re.Pattern[str], unless: Callable[[str, re.Match[str]], bool] | None = None
) -> list[int]:
    """Where they end; never inside a letter, which a mark behind a full stop would make of it."""
    found = (one for one in pattern.finditer(text) if unless is None or not unless(text, one))
    ends = (one.end() for one in found)
    return [end for end in ends if end == len(text) or not _is_joined(text[end - 1 : end + 1])]


def _is_short_form(text: str, found: re.Match[str]) -> bool:
    """A full stop behind `Dr` or an initial, or before a small letter, ends no sentence."""
    if not found.group().startswith(".") or "\n" in found.group():
        return False
    following = text[found.end() : found.end() + 1]
    if following.islower():
        return True
    word = re.split(r"[\s.(\"'„“«]", text[: found.start()])[-1]
    return word.lower() in SHORT_FORMS or (len(word) == 1 and word.isalpha())


def _is_joined(pair: str) -> bool:
    """Whether the second of two characters belongs to the first."""
    return unicodedata.category(pair[1]).startswith("M") or "\u200d" in pair or pair[1].isspace()


def _slices(text: str, ends: Sequence[int]) -> list[str]:
    bounds = [0, *(end for end in ends if 0 < end < len(text)), len(text)]
    return [text[a:b] for a, b in pairwise(bounds) if a < b]


def _starts(slices: Sequence[str]) -> list[int]:
    """Where each begins, and behind them where the last one ends."""
    starts = [0]
    for one in slices:
        starts.append(starts[-1] + len(one))
    return starts


def _char_ms(char: str) -> int:
    if char.isdigit():
        return _DIGIT_MS
    if char.isalpha():
        if char < "\u0590":  # Latin, Greek, Cyrillic, Armenian
            return _LETTER_MS
        return _MS.get(unicodedata.name(char, "?").split(maxsplit=1)[0], _LETTER_MS)
    if char.isspace():
        return _SPACE_MS
    if _SENTENCE.match(char + " "):
        return _END_MS
    return _CLAUSE_MS if _CLAUSE.match(char) else 0
