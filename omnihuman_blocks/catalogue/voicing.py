"""Rows that have only text, or audio that is too long -> what they speak, as stretches that fit.

Only those rows are looked at more than once: a table of short recordings passes through here with
one comparison a row. Everything made here is kept in the results folder and made once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from omnihuman_blocks.domain.advice import each_resolution, would_fit
from omnihuman_blocks.domain.cutting import Reach, reach
from omnihuman_blocks.domain.identity import row_id
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.planning import Offer
from omnihuman_blocks.domain.row import Entry, Row
from omnihuman_blocks.domain.sentences import estimate_ms, follow, split
from omnihuman_blocks.domain.voiced import Stretch, Voiced, in_order
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.kept_cuts import Slices, read_cuts
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.edges.parts import cut_parts, kept_parts
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.speech import Speaker, Speech, Tools
from omnihuman_blocks.errors import InvalidRow, Transient
from omnihuman_blocks.loop.calling import run_to_end
from omnihuman_blocks.walk.opening import MOST_BYTES

ROWS_AT_ONCE = 64
WORTH_A_TRY = Decimal("1.5")
"""A text that might fit is spoken whole first; a longer one is divided before it is spoken."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What rows speak that do not just speak their recording."""

    rows: Mapping[int, Voiced | InvalidRow] = field(default_factory=dict)
    """By place."""
    cuts: Mapping[tuple[str, int], Slices] = field(default_factory=dict)
    """Where texts were cut, to be kept once something is bought."""


NOTHING_SPOKEN = Spoken()


def voice_rows(
    entries: Iterable[Entry],
    *,
    on_offer: Mapping[str, Offer],
    media: Mapping[tuple[MediaKind, str], Media | InvalidRow],
    speech: Speech,
    folder: ResultsFolder,
    ledger: Ledger,
    may_split: bool,
) -> Spoken:
    """Speaks and cuts what rows need, once; what is wrong with a row is said of that row."""
    wanted = list(_wanted(entries, on_offer, media))
    if not wanted:
        return NOTHING_SPOKEN
    voicing = partial(
        _Voicing,
        on_offer=on_offer,
        media=media,
        speech=speech,
        folder=folder,
        ledger=ledger,
        may_split=may_split,
        before=read_cuts(folder),
    )
    return run_to_end(partial(_voice, wanted, voicing))


async def _voice(wanted: list[Row], voicing: Callable[..., _Voicing]) -> Spoken:
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="voice") as pool:
        async with Http() as http:
            return await voicing(http=http, pool=pool).all(wanted)


def _wanted(
    entries: Iterable[Entry],
    on_offer: Mapping[str, Offer],
    media: Mapping[tuple[MediaKind, str], Media | InvalidRow],
) -> Iterator[Row]:
    least = {name: _shortest_reach(offer) for name, offer in on_offer.items()}
    for row in entries:
        if not isinstance(row, Row) or row.provider not in least:
            continue
        if row.audio_uri is None:
            if row.text is not None:
                yield row
            continue
        recording, most = media[MediaKind.AUDIO, row.audio_uri], least[row.provider]
        if most is None or isinstance(recording, InvalidRow) or recording.seconds is None:
            continue
        if not most.admits(recording.seconds):
            yield row


def _shortest_reach(offer: Offer) -> Reach | None:
    """The least that is taken whole, whatever the resolution; nothing else decides about it."""
    try:
        usual, _ = offer.options.understand(offer.defaults)
    except InvalidRow:
        return None  # planning says it of every row
    found = [_reach(offer, options) for options in each_resolution(usual)]
    return min((one for one in found if one is not None), key=lambda one: one.most, default=None)


def _reach(offer: Offer, options: Options) -> Reach | None:
    return reach(offer.limits(options), can_bring=offer.can_bring(MediaKind.AUDIO))


@dataclass(kw_only=True)
class _Voicing:
    """All rows of one invocation."""

    on_offer: Mapping[str, Offer]
    media: Mapping[tuple[MediaKind, str], Media | InvalidRow]
    speech: Speech
    folder: ResultsFolder
    ledger: Ledger
    may_split: bool
    before: Mapping[tuple[str, int], Slices]
    http: Http
    pool: ThreadPoolExecutor
    changed: dict[tuple[str, int], Slices] = field(default_factory=dict)
    _cutting: dict[tuple[str, int], asyncio.Task[tuple[Media, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nearby = any(offer.is_nearby for offer in self.on_offer.values())
        read = partial(self.http.read, local=nearby, most=MOST_BYTES)
        self._examiner = Examiner(read=read, pool=self.pool)
        tools = Tools(http=self.http, pool=self.pool)
        self._speaker = Speaker(self.speech, folder=self.folder, tools=tools)
        self._slots = asyncio.Semaphore(ROWS_AT_ONCE)
        self._recordings = asyncio.Semaphore(os.cpu_count() or 1)

    async def all(self, rows: list[Row]) -> Spoken:
        """Every row; what is wrong with one is said of that one."""
        found = await asyncio.gather(*(self._row(row) for row in rows))
        voiced = {row.place: one for row, one in zip(rows, found, strict=True) if one is not None}
        return Spoken(rows=voiced, cuts=self.changed)

    async def _row(self, row: Row) -> Voiced | InvalidRow | None:
        offer = self.on_offer[row.provider]
        column = "text" if row.audio_uri is None else "audio_uri"
        try:
            options, _ = offer.options.understand({**offer.defaults, **row.wishes})
        except InvalidRow:
            return Voiced(stretches=())  # planning says what is wrong with its wishes
        most = _reach(offer, options)
        async with self._slots:
            try:
                if row.audio_uri is not None:
                    stretches = await self._recording(row, most)
                else:
                    stretches = await self._text(row, row.text or "", most)
            except InvalidRow as error:
                return error
            except Transient as error:
                return InvalidRow(f"`{column}` cannot be made into audio now: {error}", column)
        if stretches is None:
            return None
        total = sum((one.seconds for one in stretches), Decimal(0))
        if most is not None and most.is_stated and len(stretches) == 1 and not most.admits(total):
            return self._too_long(column, total, most, options, offer)
        notes = _notes(len(stretches), total, most, options, offer)
        return Voiced(stretches=in_order(stretches), notes=tuple(notes))

    def _too_long(
        self, column: str, total: Decimal, most: Reach, options: Options, offer: Offer
    ) -> InvalidRow:
        """It is one piece, because somebody wanted it so or because it cannot be divided."""
        bound = "at most" if most.is_included else "less than"
        advice = " ".join(would_fit(options, offer.limits, total))
        remedy = "Shorten it." if self.may_split else "Shorten it, or leave out `--no-split`."
        return InvalidRow(
            f"`{column}` takes {total:.2f} s to say; this model takes {bound} "
            f"{most.most.normalize():f} s. {remedy} {advice}".strip(),
            column,
        )

    # Recordings

    async def _recording(self, row: Row, most: Reach | None) -> list[Stretch] | None:
        recording = self.media[MediaKind.AUDIO, str(row.audio_uri)]
        if most is None or isinstance(recording, InvalidRow) or recording.seconds is None:
            return None
        if most.admits(recording.seconds):
            return None
        if not self.may_split:
            return [Stretch(audio=recording)] if most.is_stated else None
        return [Stretch(audio=part) for part in await self._parts(recording, most.longest_ms)]

    async def _parts(self, recording: Media, longest: int) -> tuple[Media, ...]:
        """Cut once, however many rows speak it."""
        begun = self._cutting.get((recording.identity, longest))
        if begun is None:
            begun = asyncio.create_task(self._cut(recording, longest))
            self._cutting[recording.identity, longest] = begun
        return await begun

    async def _cut(self, recording: Media, longest: int) -> tuple[Media, ...]:
        async with self._recordings:
            loop = asyncio.get_running_loop()
            kept = await loop.run_in_executor(
                self.pool, kept_parts, self.folder, self.ledger, recording, longest
            )
            if kept is not None:
                return kept
            content = (await self._examiner.read_upload(recording)).content
            return await loop.run_in_executor(
                self.pool, cut_parts, self.folder, self.ledger, recording, content, longest
            )

    # Texts

    async def _text(self, row: Row, text: str, most: Reach | None) -> list[Stretch]:
        if most is None or not self.may_split:
            return [await self._say(row, text)]
        key = (row_id(row.identity), most.longest_ms)
        before = self.before.get(key)
        if before is None:
            slices = await self._divide(row, text, most.longest_ms)
        else:
            slices = follow(before, text)
        said = await self._that_fit(row, slices, most)
        now = tuple(text for text, _ in said) if len(said) > 1 else ()
        if now != (before or ()):
            self.changed[key] = now
        return [stretch for _, stretch in said]

    async def _divide(self, row: Row, text: str, longest: int) -> list[str]:
        """A text that is new here. How fast this voice speaks is heard from its first slice."""
        if estimate_ms(text) <= longest * WORTH_A_TRY:
            return [text]
        first = split(text, longest)[0]
        heard = (await self._say(row, first)).seconds * 1000
        return split(text, longest, heard / max(estimate_ms(first), 1))

    async def _that_fit(
        self, row: Row, slices: list[str], most: Reach
    ) -> list[tuple[str, Stretch]]:
        """Every slice spoken; one that is too long is divided, and the others stay."""
        stretches = await asyncio.gather(*(self._say(row, one) for one in slices))
        said = list(zip(slices, stretches, strict=True))
        if len(said) == 1 and most.admits(stretches[0].seconds):
            return said
        fitting: list[tuple[str, Stretch]] = []
        for text, stretch in said:
            finer = [text]
            if not most.has_room(stretch.seconds):
                pace = stretch.seconds * 1000 / max(estimate_ms(text), 1)
                finer = split(text, most.longest_ms, pace)
            if len(finer) > 1:
                fitting += await self._that_fit(row, finer, most)
            else:
                fitting.append((text, stretch))
        return fitting

    async def _say(self, row: Row, text: str) -> Stretch:
        recipe = self._speaker.recipe(text=text, locale=row.locale, voice=row.voice)
        spoken = await self._speaker.speak(recipe)
        return Stretch(
            audio=spoken.media, text=recipe.text, words=spoken.words, before=spoken.before
        )


def _notes(
    parts: int, total: Decimal, most: Reach | None, options: Options, offer: Offer
) -> Iterator[str]:
    if parts == 1 or most is None:
        return
    takes = "one video takes here" if most.is_stated else "look their best here"
    yield (
        f"What it says is longer than the {most.most.normalize():f} s that {takes}: "
        f"it is bought in {parts} parts, which are joined."
    )
    yield from would_fit(options, offer.limits, total)
