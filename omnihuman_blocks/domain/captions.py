"""A script and when it is spoken -> captions: what is shown from when to when, in which lines.

Nothing is left out and nothing reworded: a caption is what is said. What can be chosen is where
one ends, how its lines break, and how long it stays in the pause behind it, so that it can be read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from omnihuman_blocks.domain.caption_text import Piece, Stop, Style, fitted, pieces, style_of
from omnihuman_blocks.domain.placing import Span, place
from omnihuman_blocks.domain.speech import Word

VERSION = "omnihuman-captions/1"
"""Captions that were made by other rules are made again."""

LONGEST_MS = 7_000
SHORTEST_MS = 1_000
GAP_MS = 80
"""Between two captions, so that the eye sees the change."""
LINGER_MS = 2_500
"""How long a caption may stay after its last word."""
PAUSE_MS = 500

NEW_CAPTION = 45
STOP_FAULT = {
    Stop.SENTENCE: 0,
    Stop.CLAUSE: 25,
    Stop.SPACE: 80,
    Stop.SIGN: 95,
    Stop.LETTER: 220,
}
PAUSE_INSIDE = 60
SENTENCE_INSIDE = 12
TOO_SHORT = 90
TOO_FAST = 60
NEVER = 10**9


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One caption."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Captions:
    """All captions of one video."""

    cues: tuple[Cue, ...]
    right_to_left: bool = False
    too_fast: int = 0
    """How many of them are spoken faster than people read."""


def caption(
    text: str,
    locale: str,
    length_ms: int,
    *,
    words: Sequence[Word] = (),
    spoken: Sequence[Span] = (),
    width: int | None = None,
    height: int | None = None,
) -> Captions:
    """Captions of a text. `words` are an engine's own times; `spoken`, where somebody speaks.

    `width` and `height` are those of the picture, where they are known.
    """
    style = fitted(style_of(text, locale), width, height)
    some = pieces(text, style)
    if not some or length_ms <= 0:
        return Captions(cues=())
    times = place(some, length_ms, words=words, spoken=spoken)
    setting = _Setting(some, times, style, length_ms)
    cues = tuple(setting.cue(a, b) for a, b in setting.groups())
    return Captions(
        cues=cues,
        right_to_left=style.right_to_left,
        too_fast=sum(_is_fast(cue, style) for cue in cues),
    )


class _Setting:
    """Pieces with their times, and every way to make captions of them."""

    def __init__(
        self, some: Sequence[Piece], times: Sequence[Span], style: Style, length: int
    ) -> None:
        self._pieces, self._times, self._style, self._length = some, times, style, length
        self._most = 2 * style.line
        steps = [piece.width + self._space * piece.is_spaced for piece in some]
        self._widths = [0, *accumulate(steps)]

    @property
    def _space(self) -> int:
        return 1 if self._style.is_wide else 2

    def groups(self) -> list[tuple[int, int]]:
        """The pieces of each caption: the best of all ways to divide them."""
        count = len(self._pieces)
        best: list[tuple[int, int]] = [(0, 0)] + [(NEVER, 0)] * count
        for end in range(1, count + 1):
            for start in range(end - 1, -1, -1):
                if self._width(start, end) > 2 * self._most and start < end - 1:
                    break
                cost = best[start][0] + self._cost(start, end)
                if cost < best[end][0]:
                    best[end] = (cost, start)
        found, end = [], count
        while end:
            start = best[end][1]
            found.append((start, end))
            end = start
        return found[::-1]

    def cue(self, start: int, end: int) -> Cue:
        """One caption, as it is shown."""
        begin, until = self._shown(start, end)
        return Cue(start_ms=begin, end_ms=until, lines=self._lines(start, end))

    def _width(self, start: int, end: int) -> int:
        """Of pieces on one line, in half letters."""
        return (
            self._widths[end] - self._widths[start] - self._space * self._pieces[end - 1].is_spaced
        )

    def _cost(self, start: int, end: int) -> int:
        if end - start > 1 and (
            self._break(start, end) is None or self._spoken(start, end) > LONGEST_MS
        ):
            return NEVER
        begin, until = self._shown(start, end)
        shown = until - begin
        needed = 1000 * self._width(start, end) // (2 * self._style.per_second)
        cost = NEW_CAPTION + STOP_FAULT[self._pieces[end - 1].stop]
        cost += TOO_SHORT * max(0, SHORTEST_MS - shown) // SHORTEST_MS
        cost += TOO_FAST * max(0, needed - shown) // max(1, needed)
        for number in range(start, end - 1):
            pause = self._times[number + 1][0] - self._times[number][1]
            cost += PAUSE_INSIDE * (pause >= PAUSE_MS)
            cost += SENTENCE_INSIDE * (self._pieces[number].stop is Stop.SENTENCE)
        return cost

    def _spoken(self, start: int, end: int) -> int:
        return self._times[end - 1][1] - self._times[start][0]

    def _shown(self, start: int, end: int) -> Span:
        """From its first word until it is read, or the next one comes, or the video ends."""
        begin, said = self._times[start][0], self._times[end - 1][1]
        is_last = end == len(self._pieces)
        limit = self._length if is_last else self._times[end][0] - GAP_MS
        needed = 1000 * self._width(start, end) // (2 * self._style.per_second)
        wanted = max(said, begin + SHORTEST_MS, min(begin + needed, said + LINGER_MS))
        # In quick speech the next one comes at once: better no gap than a caption nobody saw.
        soonest = begin + SHORTEST_MS if is_last else self._times[end][0]
        least = max(begin + 1, min(begin + SHORTEST_MS, soonest))
        return begin, min(max(least, min(wanted, limit)), max(begin + 1, self._length))

    def _break(self, start: int, end: int) -> int | None:
        """Where the second line begins; `end` where one is enough, None where two are not."""
        if self._width(start, end) <= self._most:
            return end
        reach = self._widths[start] + self._most
        last = bisect_right(self._widths, reach, start + 1, end) - 1
        # The space behind the last piece of a line takes no room.
        if last + 1 < end and self._width(start, last + 1) <= self._most:
            last += 1
        if last <= start or self._width(last, end) > self._most:
            return None
        return min(
            (at for at in range(start + 1, last + 1) if self._width(at, end) <= self._most),
            key=lambda at: self._fault(start, at, end),
        )

    def _fault(self, start: int, at: int, end: int) -> int:
        """How bad a line break is: lines of one length, the upper one rather the shorter."""
        upper, lower = self._width(start, at), self._width(at, end)
        uneven = 100 * abs(upper - lower) // self._most
        return STOP_FAULT[self._pieces[at - 1].stop] + uneven + 5 * (upper > lower)

    def _lines(self, start: int, end: int) -> tuple[str, ...]:
        at = self._break(start, end)
        if at is None or at == end:  # one piece alone always fits
            return (self._line(start, end),)
        return self._line(start, at), self._line(at, end)

    def _line(self, start: int, end: int) -> str:
        some = self._pieces[start:end]
        return "".join(piece.text + " " * piece.is_spaced for piece in some).rstrip(" ")


def _is_fast(cue: Cue, style: Style) -> bool:
    """Whether a caption goes before most people have read it."""
    letters = sum(len(line) for line in cue.lines)
    return letters * 1000 > (cue.end_ms - cue.start_ms) * style.per_second * 1.25


# --- as files -------------------------------------------------------------------------------------

RIGHT_TO_LEFT_MARK = "\u200f"
EMBEDDING, END_OF_IT = "\u202b", "\u202c"


def directed(captions: Captions, cue: Cue) -> list[str]:
    """The lines of a caption. Those that read from right to left say so: most players would take
    them for the other kind.
    """
    if not captions.right_to_left:
        return list(cue.lines)
    return [f"{EMBEDDING}{line}{END_OF_IT}" for line in cue.lines]


def as_srt(captions: Captions) -> str:
    """SubRip."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "".join(line.replace("-->", "→") + "\n" for line in directed(captions, cue))
        for number, cue in enumerate(captions.cues, start=1)
    )


def as_webvtt(captions: Captions) -> str:
    """WebVTT. Browsers take the direction of a line from its first letter.

    It may be a number or a name in Latin letters, so a mark is put before it.
    """
    mark = RIGHT_TO_LEFT_MARK if captions.right_to_left else ""
    blocks = [
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        + "\n".join(mark + _escaped(line) for line in cue.lines)
        + "\n"
        for cue in captions.cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, point: str) -> str:
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"
