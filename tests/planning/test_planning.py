"""Every row becomes jobs, or is told why not, where, and what to do; nothing is bought here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.identity import place_id, row_id
from omnihuman_blocks.domain.job import JobKey, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.outcome import JobOutcome
from omnihuman_blocks.domain.planned import Verdict
from omnihuman_blocks.domain.planning import judge
from omnihuman_blocks.domain.row import RejectedRow, Rejection
from omnihuman_blocks.domain.voiced import Stretch, Voiced
from omnihuman_blocks.errors import InvalidRow

Make = Callable[..., Any]
AUDIO, IMAGE, MASK = MediaKind.AUDIO, MediaKind.IMAGE, MediaKind.MASK


def test_golden_keys_of_planned_rows(make_row: Make, make_plan: Make) -> None:
    """A row that is planned differently is another job: its catalogue would be bought again."""
    rows = make_plan(
        make_row(),
        make_row(variant=2, wishes={"prompt": "wave", "resolution": "720p"}),
    ).rows
    assert [row.clip_key for row in rows] == [
        "e5371e9271ae730f3b1125fd27d098757d3ce586b54b76ff2e76aff0edf6b949",
        "03b4b5a0afe2726ab101eecf1b4a23fbbb3dd266575d06bbe53624fbde132c34",
    ]
    assert [row.row_id for row in rows] == ["273708e11433ed7713c7b747", "f5c81891f08e5d66be35985c"]


def test_a_row_becomes_one_job_with_its_quote_and_its_reservation(
    make_row: Make, make_plan: Make
) -> None:
    """Ten seconds at 16 cents, and one whole second more set aside."""
    (row,) = make_plan(make_row(place=7)).rows
    (part,) = row.parts
    assert (row.place, row.verdict, row.provider, row.model) == (
        7,
        Verdict.NEW,
        "fal",
        "omnihuman/v1.5",
    )
    assert (row.quote, row.bound, row.seconds) == (Decimal("1.6"), Decimal("1.76"), Decimal(10))
    assert (part.start_seconds, part.seconds, part.job.key) == (0, 10, row.clip_key)
    assert part.job.options.content() == {"resolution": "1080p"}
    assert not row.rejections


def test_rows_that_ask_for_the_same_video_share_one_job(make_row: Make, make_plan: Make) -> None:
    """The first carries the price; the sum of the quotes is the price of what is bought."""
    planned = make_plan(
        make_row(script_id="a"), make_row(script_id="b"), make_row(script_id="c", variant=2)
    )
    first, second, third = planned.rows
    assert first.clip_key == second.clip_key != third.clip_key
    assert [row.is_reused for row in planned.rows] == [False, True, False]
    assert [row.quote for row in planned.rows] == [Decimal("1.6"), Decimal(0), Decimal("1.6")]
    assert list(planned.jobs) == [first.clip_key, third.clip_key]
    assert second.parts[0].job is first.parts[0].job


def test_how_a_job_is_handled_makes_no_other_job(make_row: Make, make_plan: Make) -> None:
    """A webhook does not change a video."""
    planned = make_plan(
        make_row(), make_row(script_id="b", wishes={"webhook_url": "https://a.example"})
    )
    assert len(planned.jobs) == 1


def test_a_wish_that_the_model_cannot_honour_is_named(make_row: Make, make_plan: Make) -> None:
    """Not silently dropped; a mask counts as one."""
    (row,) = make_plan(make_row(wishes={"seed": 7, "prompt": "x"}, mask_uri="/m.png")).rows
    assert row.ignored == ("mask_uri", "seed")
    assert row.parts[0].job.mask is None


def test_strict_planning_rejects_a_wish_that_cannot_be_honoured(
    make_row: Make, make_plan: Make
) -> None:
    """And says in which table the wish stands."""
    wishes = {"seed": 7, "turbo_mode": True}
    (row,) = make_plan(make_row(wishes=wishes, wished_in={"seed": "avatars"}), strict=True).rows
    assert [(one.table, one.number, one.column) for one in row.rejections] == [
        ("avatars", 2, "seed"),
        ("options", None, "turbo_mode"),
    ]
    assert "strict" in row.rejections[0].reason


def test_a_mask_is_sent_where_it_is_taken(
    make_row: Make, make_plan: Make, make_offer: Make
) -> None:
    """And makes another video than none."""
    row = make_row(mask_uri="/media/mask.png")
    offers = {"fal": make_offer(takes_mask=True)}
    masked, plain = make_plan(row, make_row(script_id="b"), offers=offers).rows
    assert masked.parts[0].job.mask.uri == "/media/mask.png"
    assert masked.ignored == ()
    assert masked.clip_key != plain.clip_key


def test_a_blocks_settings_stand_under_a_rows_wishes(
    make_row: Make, make_plan: Make, make_offer: Make
) -> None:
    """A row's own wish wins."""
    offers = {"fal": make_offer(defaults={"resolution": "720p", "prompt": "calm"})}
    (row,) = make_plan(make_row(wishes={"prompt": "wave"}), offers=offers).rows
    assert row.parts[0].job.options.content() == {"resolution": "720p", "prompt": "wave"}


@pytest.mark.parametrize(
    ("changes", "cell", "said"),
    [
        ({"provider": "nobody" * 30}, ("options", "provider"), "there is `fal`"),
        ({"image_uri": None}, ("avatars", "image_uri"), "no picture"),
        ({"audio_uri": None}, ("scripts", "audio_uri"), "neither audio nor text"),
        ({"audio_uri": None, "text": "Hi"}, ("scripts", "audio_uri"), "nothing here speaks"),
        ({"wishes": {"resolution": "8K"}}, ("options", "resolution"), "'8K'"),
        (
            {"wishes": {"resolution": "8K"}, "wished_in": {"resolution": "scripts"}},
            ("scripts", "resolution"),
            "'8K'",
        ),
        ({"image_uri": "http://a.example/a.png"}, ("avatars", "image_uri"), "not a public https"),
        ({"audio_uri": "https://127.0.0.1/a.wav"}, ("scripts", "audio_uri"), "not a public https"),
    ],
)
def test_a_row_that_cannot_be_made_says_why_and_where(
    make_row: Make, make_plan: Make, changes: dict[str, Any], cell: tuple[str, str], said: str
) -> None:
    """Row number, cell, reason and remedy; and no job."""
    planned = make_plan(make_row(**changes))
    (row,), (rejection,) = planned.rows, planned.rejections
    assert (row.verdict, row.parts, row.quote, row.clip_key) == (Verdict.REJECTED, (), None, None)
    assert (rejection.table, rejection.column) == cell
    assert rejection.number == {"scripts": 3, "avatars": 2, "options": None}[cell[0]]
    assert said in rejection.reason
    assert rejection.where in rejection.remedy
    assert rejection.message == f"{rejection.reason} {rejection.remedy}"
    assert len(rejection.reason) < 300
    assert (rejection.script_id, rejection.avatar_id, rejection.variant) == ("intro", "anna", 1)


def test_every_reason_is_told_at_once(
    make_row: Make, make_plan: Make, make_media: Make, make_offer: Make
) -> None:
    """Mending a table should not be a walk with a new surprise at each door."""
    web = "https://a.example/anna"
    media = {
        (IMAGE, web): make_media(IMAGE, web, format="bmp"),
        (AUDIO, "/media/intro.wav"): InvalidRow("`audio_uri` is no audio.", "audio_uri"),
    }
    offers = {"fal": make_offer(stages=frozenset({AUDIO}))}
    planned = make_plan(make_row(image_uri=web), media=media, offers=offers)
    assert [one.column for one in planned.rejections] == ["audio_uri", "image_uri"]


def test_a_medium_that_does_not_fit_is_sent_as_a_copy_and_the_plan_says_so(
    make_row: Make, make_plan: Make, make_media: Make, make_offer: Make
) -> None:
    """Wherever a copy can be brought; its job's key is that of the original."""
    web = "https://a.example/anna"
    media = {(IMAGE, web): make_media(IMAGE, web, format="bmp", sha256="b" * 64)}
    taken = {(IMAGE, web): make_media(IMAGE, web, sha256="b" * 64)}
    row = make_row(image_uri=web, mask_uri="/media/mask.png")
    nowhere = make_offer(stages=frozenset({AUDIO, MASK}), takes_mask=True)
    (rejected,) = make_plan(row, media=media, offers={"fal": nowhere}).rows
    assert "Convert it" in rejected.rejections[0].reason
    offers = {"fal": replace(nowhere, has_store=True)}
    (copied,) = make_plan(row, media=media, offers=offers).rows
    (plain,) = make_plan(row, media=taken, offers=offers).rows
    (note,) = copied.notes
    assert "`image_uri` is sent as JPEG" in note
    assert plain.notes == ()
    assert copied.clip_key == plain.clip_key


def test_what_was_spoken_or_cut_has_to_be_brought_not_the_recording_it_came_from(
    make_row: Make, make_plan: Make, make_media: Make, make_offer: Make
) -> None:
    """A public recording that was cut is a file of ours."""
    web = "https://a.example/intro.wav"
    cut = make_media(AUDIO, "/parts/1.wav", source="cut")
    voiced = {0: Voiced(stretches=(Stretch(audio=cut, start_seconds=Decimal(0)),))}
    offers = {"fal": make_offer(stages=frozenset({IMAGE}))}
    (whole,) = make_plan(make_row(audio_uri=web), offers=offers).rows
    (parts,) = make_plan(make_row(audio_uri=web), offers=offers, voiced=voiced).rows
    assert whole.rejections == ()
    assert "--media-store" in parts.rejections[0].reason


def test_a_rows_media_are_held_against_the_limits_of_its_own_options(
    make_row: Make, make_plan: Make, make_media: Make
) -> None:
    """Forty seconds are too long at 1080p and welcome at 720p."""
    uri = "/media/intro.wav"
    media = {(AUDIO, uri): make_media(AUDIO, uri, seconds=Decimal(40))}
    large, small = make_plan(
        make_row(), make_row(script_id="b", wishes={"resolution": "720p"}), media=media
    ).rows
    assert "less than 30 s" in large.rejections[0].reason
    assert large.notes == ("With `resolution` = `720p` its audio would be taken whole.",)
    assert small.verdict is Verdict.NEW


def test_audio_that_fits_nowhere_gets_no_advice(
    make_row: Make, make_plan: Make, make_media: Make, make_offer: Make
) -> None:
    """Nor where the model knows no resolution."""
    uri = "/media/intro.wav"
    media = {(AUDIO, uri): make_media(AUDIO, uri, seconds=Decimal(90))}
    assert make_plan(make_row(), media=media).rows[0].notes == ()
    plain = make_offer(options=Options, limits=lambda _: Limits(audio_seconds=Decimal(9)))
    row = make_row(wishes={})
    assert make_plan(row, media=media, offers={"fal": plain}).rows[0].notes == ()


def test_audio_longer_than_advised_is_bought_and_said(
    make_row: Make, make_plan: Make, make_media: Make
) -> None:
    """It looks worse, and costs the same."""
    uri = "/media/intro.wav"
    media = {(AUDIO, uri): make_media(AUDIO, uri, seconds=Decimal(20))}
    (row,) = make_plan(make_row(), media=media).rows
    assert row.verdict is Verdict.NEW
    assert row.notes == ("The audio lasts 20.00 s; beyond 15 s this model looks worse.",)


@pytest.mark.parametrize("seconds", [None, Decimal(0)])
def test_audio_without_a_length_is_rejected(
    make_row: Make, make_plan: Make, make_media: Make, seconds: Decimal | None
) -> None:
    """What has no length has no price."""
    uri = "/media/intro.wav"
    media = {(AUDIO, uri): make_media(AUDIO, uri, seconds=seconds)}
    assert "no length" in make_plan(make_row(), media=media).rejections[0].reason


def test_a_vendor_that_takes_no_upload_needs_public_addresses(
    make_row: Make, make_plan: Make, make_offer: Make
) -> None:
    """A local file would be bought for nothing: it is rejected, unless there is a store for it."""
    local = make_row()
    public = make_row(
        script_id="b", image_uri="https://a.example/a.png", audio_uri="HTTPS://a.example/a.wav"
    )
    fetching = make_offer(stages=frozenset())
    rejected, planned = make_plan(local, public, offers={"fal": fetching}).rows
    assert [one.column for one in rejected.rejections] == ["image_uri", "audio_uri"]
    assert "--media-store" in rejected.rejections[0].reason
    assert planned.verdict is Verdict.NEW
    with_store = make_offer(stages=frozenset(), has_store=True)
    assert make_plan(local, offers={"fal": with_store}).rows[0].verdict is Verdict.NEW


def test_private_addresses_are_welcome_at_a_vendor_of_that_kind(
    make_row: Make, make_plan: Make, make_offer: Make
) -> None:
    """The sandbox lives on loopback, and so do its media."""
    row = make_row(image_uri="http://127.0.0.1:9/a.png")
    assert make_plan(row, offers={"fal": make_offer(is_nearby=True)}).rows[0].verdict is Verdict.NEW


def test_a_price_that_is_not_known_is_not_zero(
    make_row: Make, make_plan: Make, make_offer: Make
) -> None:
    """Neither as a quote nor as a reservation."""
    (row,) = make_plan(make_row(), offers={"fal": make_offer(price=None)}).rows
    assert (row.quote, row.bound) == (None, None)


def test_what_the_tables_reject_keeps_its_place(make_row: Make, make_plan: Make) -> None:
    """One bad line stops no other, and has a name that no row with an identity can have."""
    rejection = Rejection(table="scripts", number=4, column="locale", reason="No.", remedy="Mend.")
    bad = RejectedRow(place=1, rejections=(rejection,), script_id="intro")
    planned = make_plan(make_row(place=0), bad, make_row(place=2, script_id="c"))
    assert [row.verdict for row in planned.rows] == [Verdict.NEW, Verdict.REJECTED, Verdict.NEW]
    assert planned.rows[1].row_id == place_id("scripts", 4)
    assert planned.rows[0].row_id == row_id(("intro", "de-DE", "anna", 1))
    assert planned.rejections == (rejection,)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (None, Verdict.NEW),
        (JobOutcome(stage=Stage.OPEN, is_blocked=True), Verdict.NEW),
        (JobOutcome(stage=Stage.INTENDED), Verdict.IN_DOUBT),
        (JobOutcome(stage=Stage.INTENDED, is_owned=True), Verdict.WAITING),
        (JobOutcome(stage=Stage.IN_DOUBT), Verdict.IN_DOUBT),
        (JobOutcome(stage=Stage.ACCEPTED), Verdict.WAITING),
        (JobOutcome(stage=Stage.READY), Verdict.WAITING),
        (JobOutcome(stage=Stage.DONE), Verdict.DONE),
        (JobOutcome(stage=Stage.SPOILED), Verdict.FAILED),
        (JobOutcome(stage=Stage.FAILED), Verdict.FAILED),
    ],
)
def test_only_what_the_ledger_does_not_know_would_be_bought(
    make_row: Make, make_plan: Make, outcome: JobOutcome | None, verdict: Verdict
) -> None:
    """A job that was sent, or may have been, is never bought by itself."""
    planned = make_plan(make_row())
    key = JobKey(str(planned.rows[0].clip_key))
    judged = judge(planned, {} if outcome is None else {key: outcome})
    assert judged.rows[0].verdict is verdict
    assert len(judged.to_buy()) == (verdict is Verdict.NEW)


@pytest.mark.parametrize("stage", [Stage.DONE, Stage.ACCEPTED, Stage.IN_DOUBT])
def test_asking_again_buys_failed_jobs_and_no_others(
    make_row: Make, make_plan: Make, stage: Stage
) -> None:
    """A wish to retry must not buy what is there, on its way, or in doubt."""
    planned = make_plan(make_row(), make_row(script_id="b", variant=2))
    failed, other = planned.jobs
    known = {failed: JobOutcome(stage=Stage.FAILED), other: JobOutcome(stage=stage)}
    judged = judge(planned, known, again={failed, other})
    assert [part.job.key for part in judged.to_buy()] == [failed]


def test_a_job_that_a_row_not_looked_at_carries_is_not_charged_twice(
    make_row: Make, make_plan: Make
) -> None:
    """The price stands in one row, also where that row was recognised as done."""
    planned = make_plan(make_row())
    judged = judge(planned, {}, carried=set(planned.jobs))
    assert (judged.rows[0].is_reused, judged.rows[0].quote) == (True, Decimal(0))
    assert judged.jobs == {}


def test_a_row_that_another_vendor_has_made_is_pointed_out(
    make_row: Make, make_plan: Make, make_offer: Make
) -> None:
    """Changing the vendor buys a catalogue again; nobody should learn that from the bill."""
    planned = make_plan(make_row())
    made_by = {planned.rows[0].row_id: "runware"}
    (row,) = judge(planned, {}, made_by=made_by).rows
    assert row.notes == ("runware has made this row already; it would be bought again for $1.60.",)
    unpriced = make_plan(make_row(), offers={"fal": make_offer(price=None)})
    (row,) = judge(unpriced, {}, made_by=made_by).rows
    assert "a price that is not known" in row.notes[0]
    done = {key: JobOutcome(stage=Stage.DONE) for key in planned.jobs}
    assert judge(planned, done, made_by=made_by).rows[0].notes == ()
    assert judge(planned, {}, made_by={planned.rows[0].row_id: "fal"}).rows[0].notes == ()
