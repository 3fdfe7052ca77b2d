"""Rows, examined media and what is known already -> for every row its jobs, or why it has none.

`plan` is the walk up to the till: nothing is bought here, and all that can be known to go wrong
is found here, while it costs nothing. Rows that ask for the same video share one job; the first
of them, in the order of the tables, carries its price. `judge` then lays the plan beside what the
ledger knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from omnihuman_blocks.domain.addresses import is_public, is_web
from omnihuman_blocks.domain.advice import looks_worse, would_fit
from omnihuman_blocks.domain.identity import job_key, place_id, row_id
from omnihuman_blocks.domain.job import Job, JobKey, Media, MediaKind
from omnihuman_blocks.domain.limits import COLUMNS, Limits, breaches, conversion
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.outcome import UNTOUCHED, JobOutcome, RowState
from omnihuman_blocks.domain.planned import Part, Plan, PlannedRow, Verdict
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.domain.rejecting import rejection
from omnihuman_blocks.domain.row import Entry, RejectedRow, Row
from omnihuman_blocks.domain.voiced import Stretch, Voiced
from omnihuman_blocks.errors import InvalidRow

IMAGE, AUDIO, MASK = MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.MASK
WHOLE = Decimal(0)
"""Where a part begins that is the whole audio."""
SHOWN_CHARS = 80

VERDICTS = {
    RowState.PLANNED: Verdict.NEW,
    RowState.BLOCKED: Verdict.NEW,
    RowState.PENDING: Verdict.WAITING,
    RowState.DONE: Verdict.DONE,
    RowState.IN_DOUBT: Verdict.IN_DOUBT,
    RowState.FAILED: Verdict.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One model as one vendor sells it, in the plain values that planning needs of a room."""

    provider: str
    model: str
    options: type[Options]
    limits: Callable[[Options], Limits]
    price: Price | None
    takes_mask: bool = False
    stages: frozenset[MediaKind] = frozenset()
    """The kinds of media that can be brought to the vendor; it fetches the others itself."""
    is_nearby: bool = False
    """The vendor's own address is plain http or private, so those of media may be so too."""
    has_store: bool = False
    """We can put media where the vendor can fetch them."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """What a block asks for, under every wish of a row."""

    def can_bring(self, kind: MediaKind) -> bool:
        """Whether we can put a medium of our own where the vendor finds it."""
        return self.has_store or kind in self.stages


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """All that a row is planned by, apart from itself."""

    offers: Mapping[str, Offer]
    """By the name that rows use for the provider."""
    media: Mapping[tuple[MediaKind, str], Media | InvalidRow]
    """What examining showed, by kind and address as the row has it."""
    voiced: Mapping[int, Voiced | InvalidRow] = field(default_factory=dict)
    """What was spoken or cut for a row, by its place; a row without it speaks its recording."""
    strict: bool = False
    """A wish that cannot be honoured rejects its row."""


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A row on its way: what was found so far, and every problem with it."""

    row: Row
    offer: Offer
    problems: list[InvalidRow] = field(default_factory=list)


def plan(entries: Iterable[Entry], circumstances: Circumstances, *, kept: int = 0) -> Plan:
    """Every row with its jobs or its rejections, in the order in which the entries come."""
    first: dict[JobKey, Job] = {}
    lines = (_plan_entry(entry, circumstances) for entry in entries)
    return Plan(rows=tuple(_share(line, first) for line in lines), kept=kept)


def judge(
    plan: Plan,
    known: Mapping[JobKey, JobOutcome],
    *,
    again: Collection[JobKey] = (),
    carried: Collection[JobKey] = (),
    made_by: Mapping[str, str] | None = None,
    before: Mapping[JobKey, JobOutcome] | None = None,
) -> Plan:
    """The plan beside what the ledger knows.

    `again` are failed jobs that this invocation buys once more; `carried` those whose price stands
    in a row that was not looked at; `made_by` names the provider that has already made a row's
    video, by row id; `before` are the jobs of words that were said otherwise.
    """
    judged = (_judge(line, known, again, carried) for line in plan.rows)
    noted = (_note_maker(line, made_by or {}) for line in judged)
    return replace(plan, rows=tuple(_note_said_otherwise(line, before or {}) for line in noted))


# --- a row's walk up to the till --------------------------------------------------------------


def _plan_entry(entry: Entry, circumstances: Circumstances) -> PlannedRow:
    if isinstance(entry, RejectedRow):
        return _rejected_by_tables(entry)
    offer = circumstances.offers.get(entry.provider)
    if offer is None:
        return _rejected(entry, [_unknown_provider(entry, circumstances.offers)])
    draft = _Draft(row=entry, offer=offer)
    voiced = circumstances.voiced.get(entry.place)
    draft.problems.extend(_missing_cells(entry, is_voiced=voiced is not None))
    options, ignored = _understand(draft, strict=circumstances.strict)
    media = _collect(draft, circumstances.media, is_voiced=voiced is not None)
    speech = _speech(draft, voiced, media.pop(AUDIO, None))
    if options is not None:
        limits = offer.limits(options)
        for found in (*media.values(), *(stretch.audio for stretch in speech.stretches)):
            # A file of ours has to be brought in any case, and can be brought as a copy.
            can_copy = offer.can_bring(found.kind) or not is_web(found.uri)
            draft.problems.extend(breaches(limits, found, convertible=can_copy))
        if not draft.problems:
            return _planned(draft, options, media, speech, ignored)
    return _rejected_at(draft, options, speech)


def _unknown_provider(row: Row, offers: Mapping[str, Offer]) -> InvalidRow:
    names = ", ".join(f"`{name}`" for name in sorted(offers))
    return InvalidRow(
        f"`{_short(row.provider)}` is no provider here; there is {names}.", "provider"
    )


def _missing_cells(row: Row, *, is_voiced: bool) -> Iterator[InvalidRow]:
    if row.image_uri is None:
        yield InvalidRow("The avatar has no picture. Give the address of one.", "image_uri")
    if is_voiced:
        return
    if row.audio_uri is None and row.text is None:
        yield InvalidRow(
            "There is neither audio nor text. Give the address of a recording.", "audio_uri"
        )
    elif row.audio_uri is None:
        yield InvalidRow(
            "There is text and no audio, and nothing here speaks text. "
            "Record it and give the recording's address.",
            "audio_uri",
        )


def _understand(draft: _Draft, *, strict: bool) -> tuple[Options | None, tuple[str, ...]]:
    offer, row = draft.offer, draft.row
    try:
        options, unknown = offer.options.understand({**offer.defaults, **row.wishes})
    except InvalidRow as problem:
        draft.problems.append(problem)
        return None, ()
    mask = [COLUMNS[MASK]] if row.mask_uri is not None and not offer.takes_mask else []
    ignored = tuple(sorted((*unknown, *mask)))
    if strict:
        draft.problems.extend(
            InvalidRow(
                f"{offer.model} at {offer.provider} does not take `{name}`, and strict planning "
                "drops no wish. Clear it, or choose another provider.",
                name,
            )
            for name in ignored
        )
    return options, ignored


def _collect(
    draft: _Draft,
    examined: Mapping[tuple[MediaKind, str], Media | InvalidRow],
    *,
    is_voiced: bool,
) -> dict[MediaKind, Media]:
    """What was examined, with every problem. A recording that was cut is not sent itself."""
    row, offer = draft.row, draft.offer
    mask = row.mask_uri if offer.takes_mask else None
    media: dict[MediaKind, Media] = {}
    for kind, uri in ((IMAGE, row.image_uri), (AUDIO, row.audio_uri), (MASK, mask)):
        if uri is not None:
            if not (kind is AUDIO and is_voiced):
                draft.problems.extend(_unreachable(kind, uri, offer, COLUMNS[kind]))
            found = examined[kind, uri]
            if isinstance(found, InvalidRow):
                draft.problems.append(found)
            else:
                media[kind] = found
    return media


def _speech(draft: _Draft, voiced: Voiced | InvalidRow | None, recording: Media | None) -> Voiced:
    """What the row speaks: what was made for it, or its recording as it is."""
    if isinstance(voiced, InvalidRow):
        draft.problems.append(voiced)
    elif voiced is not None:
        for stretch in voiced.stretches[:1]:  # they lie in one place
            column = "text" if draft.row.audio_uri is None else COLUMNS[AUDIO]
            draft.problems.extend(_unreachable(AUDIO, stretch.audio.uri, draft.offer, column))
        return voiced
    elif recording is not None:
        draft.problems.extend(_endless(recording))
        return Voiced(stretches=(Stretch(audio=recording, start_seconds=WHOLE),))
    return Voiced(stretches=())


def _unreachable(kind: MediaKind, uri: str, offer: Offer, column: str) -> Iterator[InvalidRow]:
    if is_web(uri) and not is_public(uri) and not offer.is_nearby:
        yield InvalidRow(
            f"`{column}` is not a public https address, and {offer.provider} is a public vendor. "
            "Give an https address, or a file that can be sent.",
            column,
        )
    elif not is_web(uri) and not offer.can_bring(kind):
        yield InvalidRow(
            f"{offer.provider} takes no upload of this kind ({kind}) and fetches it from the web. "
            "Give an https address, or name a place for media with `--media-store`.",
            column,
        )


def _endless(audio: Media) -> Iterator[InvalidRow]:
    if audio.seconds is None or audio.seconds <= 0:
        yield InvalidRow(
            "`audio_uri` has no length that can be told. Save it as WAV or MP3 again.", "audio_uri"
        )


# --- the line of the plan ---------------------------------------------------------------------


def _planned(
    draft: _Draft,
    options: Options,
    media: Mapping[MediaKind, Media],
    speech: Voiced,
    ignored: tuple[str, ...],
) -> PlannedRow:
    row, offer = draft.row, draft.offer
    parts = tuple(
        Part(
            job=_job(row, offer, options, media, stretch.audio),
            start_seconds=stretch.start_seconds,
            seconds=stretch.seconds,
            price=offer.price,
            before=tuple(
                (
                    _job(
                        row, offer, options, media, replace(stretch.audio, source=it.identity)
                    ).key,
                    it.difference,
                )
                for it in stretch.before
            ),
        )
        for stretch in speech.stretches
    )
    longest = max(part.seconds for part in parts)
    limits = offer.limits(options)
    return replace(
        _line(row),
        provider=offer.provider,
        model=offer.model,
        parts=parts,
        ignored=ignored,
        notes=(*speech.notes, *_copies(limits, parts), *looks_worse(limits, longest)),
    )


def _copies(limits: Limits, parts: tuple[Part, ...]) -> Iterator[str]:
    """Which media are sent as something else than they are; each kind once."""
    job = parts[0].job
    for media in filter(None, (job.image, job.mask, job.audio)):
        copy = conversion(limits, media)
        if copy is not None:
            yield copy.note(media)


def _job(
    row: Row, offer: Offer, options: Options, media: Mapping[MediaKind, Media], audio: Media
) -> Job:
    image, mask = media[IMAGE], media.get(MASK)
    key = job_key(
        provider=offer.provider,
        model=offer.model,
        image=image.identity,
        audio=audio.identity,
        mask=None if mask is None else mask.identity,
        options=options,
        variant=row.variant,
    )
    return Job(
        key=key,
        provider=offer.provider,
        model=offer.model,
        image=image,
        audio=audio,
        mask=mask,
        options=options,
        variant=row.variant,
    )


def _share(line: PlannedRow, first: dict[JobKey, Job]) -> PlannedRow:
    """A job that an earlier row asked for is that row's, and this one uses it."""
    parts = tuple(
        part if job is part.job else replace(part, job=job, is_first=False)
        for part, job in ((part, first.setdefault(part.job.key, part.job)) for part in line.parts)
    )
    return line if parts == line.parts else replace(line, parts=parts)


def _judge(
    line: PlannedRow,
    known: Mapping[JobKey, JobOutcome],
    again: Collection[JobKey],
    carried: Collection[JobKey],
) -> PlannedRow:
    parts = (
        replace(
            part,
            verdict=_verdict(known.get(part.job.key, UNTOUCHED), again=part.job.key in again),
            is_first=part.is_first and part.job.key not in carried,
        )
        for part in line.parts
    )
    return replace(line, parts=tuple(parts))


def _verdict(outcome: JobOutcome, *, again: bool) -> Verdict:
    verdict = VERDICTS[outcome.state]
    return Verdict.NEW if again and verdict is Verdict.FAILED else verdict


def _note_maker(line: PlannedRow, made_by: Mapping[str, str]) -> PlannedRow:
    maker = made_by.get(line.row_id)
    if maker in (None, line.provider) or line.verdict is not Verdict.NEW:
        return line
    price = "at a price that is not known" if line.quote is None else f"for ${line.quote:.2f}"
    note = f"{maker} has made this row already; it would be bought again {price}."
    return replace(line, notes=(*line.notes, note))


def _note_said_otherwise(line: PlannedRow, before: Mapping[JobKey, JobOutcome]) -> PlannedRow:
    """A video of the same words is there, and a lexicon, a voice or an engine has changed."""
    notes = [
        f"It is said otherwise than in the video of {made.finished_at:%Y-%m-%d}: {difference}. "
        f"Buying it again costs {_dollars(part.quote)}."
        for part in line.parts
        if part.verdict is Verdict.NEW
        for made, difference in _made_before(part, before)[:1]
    ]
    return replace(line, notes=(*line.notes, *dict.fromkeys(notes))) if notes else line


def _made_before(part: Part, before: Mapping[JobKey, JobOutcome]) -> list[tuple[JobOutcome, str]]:
    made = [(before[key], difference) for key, difference in part.before if key in before]
    return [
        (outcome, difference)
        for outcome, difference in made
        if outcome.state is RowState.DONE and outcome.finished_at is not None
    ]


def _dollars(usd: Decimal | None) -> str:
    return "a price that is not known" if usd is None else f"${usd:.2f}"


# --- rejections -------------------------------------------------------------------------------


def _line(row: Row) -> PlannedRow:
    return PlannedRow(
        place=row.place,
        row_id=row_id(row.identity),
        script_id=row.script_id,
        locale=row.locale,
        avatar_id=row.avatar_id,
        variant=row.variant,
        row=row,
        provider=row.provider,
    )


def _rejected(row: Row, problems: Iterable[InvalidRow]) -> PlannedRow:
    return replace(_line(row), rejections=tuple(rejection(row, problem) for problem in problems))


def _rejected_at(draft: _Draft, options: Options | None, speech: Voiced) -> PlannedRow:
    offer = draft.offer
    notes: tuple[str, ...] = ()
    if options is not None and speech.stretches:
        longest = max(stretch.seconds for stretch in speech.stretches)
        notes = tuple(would_fit(options, offer.limits, longest))
    line = _rejected(draft.row, draft.problems)
    return replace(line, provider=offer.provider, model=offer.model, notes=notes)


def _rejected_by_tables(entry: RejectedRow) -> PlannedRow:
    first = entry.rejections[0]
    return PlannedRow(
        place=entry.place,
        row_id=place_id(first.table, first.number),
        script_id=entry.script_id,
        locale=entry.locale,
        avatar_id=entry.avatar_id,
        variant=entry.variant,
        rejections=entry.rejections,
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
