"""Pieces of a text, and what is known of its sound -> when each piece is heard.

Where the engine told the times of its words, those are the times. Where only the sound is there,
the text is laid over the stretches in which somebody speaks: its commas and full stops over the
pauses that they fit, and what is between them by how long it takes to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from omnihuman_blocks.domain.caption_text import Piece, Stop
from omnihuman_blocks.domain.sentences import estimate_ms
from omnihuman_blocks.domain.speech import Word

Span = tuple[int, int]
"""From when to when, in milliseconds."""

SAME_LETTERS = 3
"""So many letters in a row are no coincidence."""
PAUSE_MS = 120
"""A shorter gap is a consonant."""
STRETCHABLE_MS = 1_200
"""How far a full stop may be from the pause that is taken for it, in a short text; more in a
long one, where a voice has more time to be quicker or slower than others."""
STRETCHABLE_SHARE = 0.06
WORTH = {Stop.SENTENCE: 3.0, Stop.CLAUSE: 1.5}
LONG_PAUSE_MS = 500


def place(
    pieces: Sequence[Piece], length: int, *, words: Sequence[Word] = (), spoken: Sequence[Span] = ()
) -> list[Span]:
    """When each piece is heard. `length` is that of the whole sound."""
    by_word = _by_words(pieces, words) if words else None
    return by_word if by_word is not None else _by_sound(pieces, list(spoken) or [(0, length)])


# --- by the engine's own times ------------------------------------------------------------------


def _by_words(pieces: Sequence[Piece], words: Sequence[Word]) -> list[Span] | None:
    """None where these words are not of this text."""
    ours, of_piece = _letters([piece.text for piece in pieces])
    theirs, of_word = _letters([word.text for word in words])
    matches = _matches(ours, theirs)
    if not matches or sum(size for _, _, size in matches) * 2 < len(ours):
        return None
    at: list[Span | None] = [None] * len(ours)
    lengths = [of_word.count(number) for number in range(len(words))]
    firsts = [0, *accumulate(lengths)]
    for mine, other, size in matches:
        for step in range(size):
            number = of_word[other + step]
            at[mine + step] = _share(words[number], other + step - firsts[number], lengths[number])
    return _joined(of_piece, _filled(at), len(pieces))


def _letters(texts: Sequence[str]) -> tuple[str, list[int]]:
    """All letters and digits, small, and which text each is of."""
    found = [
        (letter, number)
        for number, text in enumerate(texts)
        for letter in text.casefold()
        if letter.isalnum()
    ]
    return "".join(letter for letter, _ in found), [number for _, number in found]


def _matches(ours: str, theirs: str) -> list[tuple[int, int, int]]:
    if ours == theirs:
        return [(0, 0, len(ours))] if ours else []
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return [(one.a, one.b, one.size) for one in blocks if one.size >= SAME_LETTERS]


def _share(word: Word, letter: int, letters: int) -> Span:
    """When one letter of a word is heard."""
    start, end = int(word.start_seconds * 1000), int(word.end_seconds * 1000)
    return (
        start + (end - start) * letter // letters,
        start + (end - start) * (letter + 1) // letters,
    )


def _filled(at: Sequence[Span | None]) -> list[Span]:
    """Letters of which nobody told lie evenly between those of which somebody did."""
    known = [number for number, span in enumerate(at) if span is not None]
    times: list[Span] = [span or (0, 0) for span in at]
    for number in range(known[0]):
        times[number] = (times[known[0]][0],) * 2
    for before, after in pairwise([*known, len(at)]):
        begin = times[before][1]
        end = times[after][0] if after < len(at) else begin
        gaps = after - before - 1
        for step in range(gaps):
            times[before + 1 + step] = (
                begin + (end - begin) * step // gaps,
                begin + (end - begin) * (step + 1) // gaps,
            )
    return times


def _joined(of_piece: Sequence[int], times: Sequence[Span], count: int) -> list[Span]:
    """A piece lasts from its first letter to its last; one without letters is where it stands."""
    spans: list[Span | None] = [None] * count
    for number, (start, end) in zip(of_piece, times, strict=True):
        held = spans[number]
        spans[number] = (start, end) if held is None else (held[0], max(held[1], end))
    found: list[Span] = []
    last = next(span[0] for span in spans if span is not None)
    for span in spans:
        start, end = span or (last, last)
        found.append((max(start, last), max(end, last)))
        last = found[-1][1]
    return found


# --- by the sound -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Anchor:
    """Behind so much of the text comes the pause that begins after so much speech."""

    text: float
    speech: float


def _by_sound(pieces: Sequence[Piece], spoken: list[Span]) -> list[Span]:
    weights = [max(1, estimate_ms(piece.text.rstrip(".,;:!?…"))) for piece in pieces]
    ends = list(accumulate(weights))
    total = sum(end - start for start, end in spoken)
    scale = total / ends[-1]
    breaks = [
        (end * scale, WORTH[piece.stop])
        for piece, end in zip(pieces[:-1], ends, strict=False)
        if piece.stop in WORTH
    ]
    anchors = [_Anchor(0, 0), *_anchors(breaks, _pauses(spoken), total), _Anchor(total, total)]
    moments = [_along(end * scale, anchors) for end in (0, *ends)]
    return [
        (_when(start, spoken, is_start=True), _when(end, spoken, is_start=False))
        for start, end in pairwise(moments)
    ]


def _pauses(spoken: Sequence[Span]) -> list[tuple[float, int]]:
    """After how much speech each pause comes, and how long it is."""
    heard = accumulate(end - start for start, end in spoken)
    return [
        (float(at), after[0] - before[1])
        for at, (before, after) in zip(heard, pairwise(spoken), strict=False)
        if after[0] - before[1] >= PAUSE_MS
    ]


def _anchors(
    breaks: Sequence[tuple[float, float]], pauses: Sequence[tuple[float, int]], total: int
) -> Iterator[_Anchor]:
    """The best way to lay stops over pauses, in order; some of either are left over."""
    reach = STRETCHABLE_MS + STRETCHABLE_SHARE * total
    best = [[0.0] * (len(pauses) + 1) for _ in range(len(breaks) + 1)]
    for i, (text, worth) in enumerate(breaks, start=1):
        for j, pause in enumerate(pauses, start=1):
            taken = best[i - 1][j - 1] + _gain(text, worth, pause, reach)
            best[i][j] = max(best[i - 1][j], best[i][j - 1], taken)
    found, i, j = [], len(breaks), len(pauses)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append(_Anchor(breaks[i][0], pauses[j][0]))
    yield from reversed(found)


def _gain(text: float, worth: float, pause: tuple[float, int], reach: float) -> float:
    """How well a pause stands for a stop: near, and long where the sentence ends."""
    at, length = pause
    away = abs(text - at) / reach
    return worth * min(1.0, length / LONG_PAUSE_MS) * (1 - away**2)


def _along(text: float, anchors: Sequence[_Anchor]) -> float:
    """How much speech is over when so much of the text is."""
    number = next(n for n, anchor in enumerate(anchors[1:]) if text <= anchor.text + 0.5)
    before, after = anchors[number], anchors[number + 1]
    share = (text - before.text) / max(1e-9, after.text - before.text)
    return before.speech + (after.speech - before.speech) * min(1.0, share)


def _when(speech: float, spoken: Sequence[Span], *, is_start: bool) -> int:
    """When so much speech is over. What begins there begins behind the pause."""
    left = speech
    for start, end in spoken:
        here = end - start
        if left < here - 0.5 or (not is_start and left <= here + 0.5):
            return round(start + min(left, here))
        left -= here
    return spoken[-1][1]
