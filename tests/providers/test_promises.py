"""What every room promises. A new vendor is held to all of it as soon as it is on the list."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest

from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import MediaKind, Submission, Ticket, Upload, Working
from omnihuman_blocks.domain.limits import breaches
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.wire import HttpCall, HttpReply
from omnihuman_blocks.errors import (
    AccountBlocked,
    CannotStart,
    InDoubt,
    OmniHumanError,
    Refused,
    Transient,
    Unreadable,
)
from omnihuman_blocks.providers import PROVIDERS, room

HERE = Path(__file__).parent
API_KEY = "key-id:very-secret"
PAGE = "<html><body><h1>Sorry</h1></body></html>"
SOLD = [(name, version) for name, vendor in PROVIDERS.items() for version in vendor.MODELS]
VENDORS = pytest.mark.parametrize("vendor", PROVIDERS)
MODELS = pytest.mark.parametrize(("vendor", "version"), SOLD)
HOSTILE = ["../../x?y", "a/b#c", "..%2f..", "a:b/c d", "é?", "x" * 300, "&x=1"]


def ticket(vendor: str, name: str = "5ca1ab1e") -> Ticket:
    return Ticket(provider=vendor, model=next(iter(PROVIDERS[vendor].MODELS.values())).id, id=name)


def first_call(vendor: str, name: str) -> HttpCall:
    return next(PROVIDERS[vendor].checking(ticket(vendor, name)))


def free_calls(vendor: str, submission: Submission, media: list[Upload]) -> Iterator[HttpCall]:
    """The first question of every flow that a room offers."""
    here = PROVIDERS[vendor]
    yield next(here.checking(ticket(vendor)))
    if here.recovering is not None:
        yield next(here.recovering(submission, timedelta(minutes=1)))
    if here.cancelling is not None:
        yield next(here.cancelling(ticket(vendor)))
    if here.TOGETHER is not None:
        yield next(here.TOGETHER.checking([ticket(vendor)]))
    if here.staging is not None:
        for medium in media:
            yield from _first(here.staging(medium))


def _first(flow: Any) -> list[HttpCall]:
    try:
        return [next(flow)]
    except StopIteration:  # a medium that travels in the purchase itself
        return []


def bought(vendor: str, reply: HttpReply, submission: Submission) -> object:
    try:
        return PROVIDERS[vendor].read_submission(reply, submission)
    except OmniHumanError as error:
        return error


def learned(vendor: str, reply: HttpReply, follow: Any) -> object:
    return follow(PROVIDERS[vendor].checking(ticket(vendor)), [reply]).outcome


# --- the list ---------------------------------------------------------------------------------


@VENDORS
def test_a_room_is_found_under_its_own_name(vendor: str) -> None:
    """The list is the only place that names a vendor for the others."""
    assert room(vendor) is PROVIDERS[vendor]
    assert vendor == room(vendor).NAME


def test_an_unknown_vendor_is_named_with_the_known_ones() -> None:
    """Whoever mistypes a name is told all of them."""
    with pytest.raises(CannotStart, match="runware, fal, pixazo, aimlapi"):
        room("runwear")


@VENDORS
def test_what_is_sold_is_dated_and_sourced(vendor: str) -> None:
    """The newest model first; every price says since when and from where."""
    here = PROVIDERS[vendor]
    assert next(iter(here.MODELS)) == "1.5"
    for version, model in here.MODELS.items():
        assert model.version == version
        assert model.price is None or (model.price.source and model.price.as_of <= here.READ_ON)
    assert here.KEY_VARIABLE.endswith("_KEY")
    for variable, address in here.ADDRESSES.items():
        assert variable.startswith("OMNIHUMAN_")
        assert address.startswith("https://")
        assert not address.endswith("/")


@VENDORS
def test_sentences_for_people_are_sentences(vendor: str) -> None:
    """What a lost answer means and what is charged is said in full, never about a key."""
    here = PROVIDERS[vendor]
    for sentence in (here.CHARGED_FOR, here.LOST_ANSWER.remedy):
        assert sentence.endswith(".")
        assert len(sentence) > 60
    assert (here.recovering is None) is (here.LOST_ANSWER.look_for == timedelta(0))


@MODELS
def test_every_option_says_what_it_is_and_what_it_changes(vendor: str, version: str) -> None:
    """A form can be made of them, and a key knows which of them belong to the video."""
    options = PROVIDERS[vendor].MODELS[version].options
    for name, field in options.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert options.role_of(name) in ("content", "handling")
        assert not field.is_required(), name


@MODELS
def test_what_is_accepted_is_known_before_money(vendor: str, version: str, order: Any) -> None:
    """Usual media pass; limits that are published stop what the vendor would refuse."""
    submission = order(vendor, version)
    job = submission.job
    limits = PROVIDERS[vendor].MODELS[version].limits(job.options)
    assert [*breaches(limits, job.image), *breaches(limits, job.audio)] == []
    endless = replace(job.audio, seconds=Decimal(61), format="midi")
    assert [error.column for error in breaches(limits, endless)]


SHARED = {"prompt", "resolution", "seed", "turbo_mode"}


@MODELS
def test_a_wish_of_the_tables_is_about_the_video(vendor: str, version: str) -> None:
    """The columns that every table may have mean the same at every vendor: they are content."""
    options = PROVIDERS[vendor].MODELS[version].options
    assert all(options.role_of(name) == "content" for name in SHARED & set(options.model_fields))


# --- buying -----------------------------------------------------------------------------------


@MODELS
def test_the_body_is_what_the_vendor_describes(vendor: str, version: str, order: Any) -> None:
    """Each member of the default body is known to the vendor, and none that it wants is missing."""
    schema = json.loads((HERE / "schemas" / f"{vendor}-{version}.json").read_text())
    body = PROVIDERS[vendor].submission_call(order(vendor, version)).json
    jsonschema.validate(body, schema)
    assert PROVIDERS[vendor].MODELS[version].id in json.dumps(
        [body, PROVIDERS[vendor].submission_call(order(vendor, version)).url]
    )


@MODELS
def test_content_is_written_out_and_sent(vendor: str, version: str, order: Any) -> None:
    """What is in a job's key is in the purchase, defaults included."""
    submission = order(vendor, version)
    sent = json.dumps(PROVIDERS[vendor].submission_call(submission).json)
    options = submission.job.options
    for name, value in options.content().items():
        leaf = options.wire_of(name).split(".")[-1]
        assert f'"{leaf}": {json.dumps(value)}' in sent


GOLDEN = {
    "runware 1.5": "c8cabacd2e98c4386ad59834d510b62342b10bc32be26504d9608dc113b09259",
    "runware 1": "fa06fa1344627d88a1dfbff3b5c0b6f97a1f6f2dde7734051999aaa45ba15dd2",
    "fal 1.5": "541523d9bfe4f56ba8222b6f9b9936a3e8b0f415ae5bfa8c03674c65b25e9d6e",
    "fal 1": "ace803c24f4d85908e717d9dc0fa805314dfb61a1b2fe80e15043061292b6019",
    "pixazo 1.5": "8ef672e47c7712de7e4bb0b8b43fc835d7f8115591fd3d02a8e0684d0cf4b4de",
    "aimlapi 1.5": "7e7e81b049470880e3ef4153cd5323a9333e123c17326c6c5c21dab8aeb3aaed",
    "aimlapi 1": "759f18993754dba660748275faa0d8f4608174df7b7ce6fda42e2484fd5a90a4",
}


@MODELS
def test_a_key_is_the_same_for_ever(vendor: str, version: str) -> None:
    """Golden: whoever changes one of these buys every catalogue of this model again."""
    model = PROVIDERS[vendor].MODELS[version]
    image, audio = "0" * 64, "1" * 64
    key = job_key(
        provider=vendor, model=model.id, image=image, audio=audio, options=model.options()
    )
    assert key == GOLDEN[f"{vendor} {version}"]


@MODELS
def test_handling_never_changes_a_key(vendor: str, version: str, order: Any) -> None:
    """A callback or a time-out does not make another video."""
    options = PROVIDERS[vendor].MODELS[version].options
    wishes = (
        {"webhook_url": "https://hooks.example/x"} if "webhook_url" in options.model_fields else {}
    )
    plain, wished = (order(vendor, version, **each).job.options for each in ({}, wishes))
    assert _key(vendor, plain) == _key(vendor, wished)


def _key(vendor: str, options: Options) -> str:
    return job_key(provider=vendor, model="m", image="i", audio="a", options=options)


@MODELS
def test_the_same_attempt_is_the_same_request(vendor: str, version: str, order: Any) -> None:
    """A room has no dice and no clock."""
    make = PROVIDERS[vendor].submission_call
    assert make(order(vendor, version)) == make(order(vendor, version))


@VENDORS
def test_only_a_purchase_spends(
    vendor: str, order: Any, upload: Callable[[MediaKind], Upload]
) -> None:
    """Asking, looking for, cancelling and uploading are free, and say so."""
    submission = order(vendor)
    assert PROVIDERS[vendor].submission_call(submission).spends
    media = [upload(kind) for kind in PROVIDERS[vendor].STAGES]
    assert not any(call.spends for call in free_calls(vendor, submission, media))


@VENDORS
def test_a_key_is_in_its_header_and_nowhere_else(
    vendor: str, order: Any, upload: Callable[[MediaKind], Upload]
) -> None:
    """Only `auth_headers` ever sees a key, and no signed call brings a header of that name."""
    here = PROVIDERS[vendor]
    (credential,) = here.auth_headers(API_KEY).items()
    assert API_KEY in credential[1]
    media = [upload(kind) for kind in here.STAGES]
    submission = order(vendor)
    for call in [here.submission_call(submission), *free_calls(vendor, submission, media)]:
        assert call.signed
        assert credential[0].casefold() not in {name.casefold() for name in call.headers}
        assert any(call.url.startswith(f"{address}/") for address in here.ADDRESSES.values())
    source = inspect.getsource(inspect.getmodule(here.auth_headers) or here.auth_headers)
    assert source.count("api_key") == 2, "the key has one place, the header"


@VENDORS
def test_an_answer_without_a_ticket_is_unreadable(vendor: str, order: Any) -> None:
    """The edge turns it into doubt; no room makes up an id."""
    for text in (PAGE, "", "[]", "null", "{}", '{"data": 1}', '{"request_id": 7, "id": null}'):
        reply = HttpReply(status=200, text=text)
        assert isinstance(bought(vendor, reply, order(vendor)), Unreadable)


@VENDORS
@pytest.mark.parametrize("status", [408, 425, 499, 500, 502, 503, 504, 524])
def test_a_gateways_error_leaves_a_purchase_in_doubt(
    vendor: str, status: int, order: Any, follow: Any
) -> None:
    """It says nothing about what the machine behind it did; about a job it is asked again."""
    reply = HttpReply(status=status, text=PAGE)
    assert isinstance(bought(vendor, reply, order(vendor)), InDoubt)
    assert isinstance(learned(vendor, reply, follow), Transient)


@VENDORS
@pytest.mark.parametrize("status", [401, 402, 403])
def test_an_account_that_may_not_is_blocked(
    vendor: str, status: int, order: Any, follow: Any
) -> None:
    """Key, credit or ban: nobody buys, and no row fails for it."""
    reply = HttpReply(status=status, text=PAGE)
    assert isinstance(bought(vendor, reply, order(vendor)), AccountBlocked)
    assert isinstance(learned(vendor, reply, follow), AccountBlocked)


@VENDORS
def test_too_many_requests_is_not_now(vendor: str, order: Any, follow: Any) -> None:
    """Nothing was bought; the vendor's own wish for a pause is kept."""
    reply = HttpReply(status=429, headers={"retry-after": "17"}, text=PAGE)
    for outcome in (bought(vendor, reply, order(vendor)), learned(vendor, reply, follow)):
        assert isinstance(outcome, Transient)
        assert outcome.retry_after == 17


@VENDORS
@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 422])
def test_a_plain_no_to_a_purchase_is_final_and_to_a_question_is_not(
    vendor: str, status: int, order: Any, follow: Any
) -> None:
    """Not even a 404 on a ticket is a verdict: a job that is paid for is not given up."""
    reply = HttpReply(status=status, text=PAGE)
    assert isinstance(bought(vendor, reply, order(vendor)), Refused)
    assert isinstance(learned(vendor, reply, follow), Transient)


@VENDORS
@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_no_answer(vendor: str, status: int, order: Any, follow: Any) -> None:
    """A purchase is never sent somewhere else, nor is its key."""
    reply = HttpReply(status=status, headers={"location": "https://elsewhere.example"}, text=PAGE)
    assert isinstance(bought(vendor, reply, order(vendor)), Unreadable)
    assert isinstance(learned(vendor, reply, follow), Unreadable)


# --- waiting ----------------------------------------------------------------------------------


@VENDORS
def test_a_word_that_nobody_knows_means_waiting(vendor: str, follow: Any) -> None:
    """Vendors invent states; none of them may end a job that is paid for."""
    body = {"status": "resting", "data": [{"taskUUID": "5ca1ab1e", "status": "resting"}]}
    outcome = learned(vendor, HttpReply(status=200, text=json.dumps(body)), follow)
    assert isinstance(outcome, Working)
    assert outcome.said == "resting"


@VENDORS
def test_what_is_not_understood_is_unreadable(vendor: str, follow: Any) -> None:
    """It is asked again; it is neither a failure nor a success."""
    for text in (PAGE, "", "[]", "null", "7", "{}"):
        assert isinstance(learned(vendor, HttpReply(status=200, text=text), follow), Unreadable)


@VENDORS
@pytest.mark.parametrize("name", HOSTILE)
def test_an_id_stays_where_it_belongs(vendor: str, name: str) -> None:
    """An id is data: in a path it is one piece, elsewhere it is not in the address at all."""
    usual, hostile = (urlsplit(first_call(vendor, each).url) for each in ("5ca1ab1e", name))
    assert (hostile.netloc, hostile.query, hostile.fragment) == (usual.netloc, "", "")
    pieces = [unquote(piece) for piece in hostile.path.split("/")]
    expected = [name if piece == "5ca1ab1e" else piece for piece in usual.path.split("/")]
    assert pieces == expected


@VENDORS
@pytest.mark.parametrize("name", [".", "..", "", "a\nb", "\ud800"])
def test_an_id_that_would_be_another_place_is_no_id(vendor: str, name: str) -> None:
    """It is refused, or it does not stand in the address."""
    usual = first_call(vendor, "5ca1ab1e").url
    try:
        url = first_call(vendor, name).url
    except Unreadable:
        assert "5ca1ab1e" in usual
    else:
        assert url == usual


# --- bringing media there ---------------------------------------------------------------------


@VENDORS
def test_a_room_brings_exactly_what_it_says(vendor: str) -> None:
    """Whoever stages nothing has no flow for it."""
    assert (PROVIDERS[vendor].staging is None) is (not PROVIDERS[vendor].STAGES)


@VENDORS
def test_a_mask_is_only_taken_by_a_model_that_knows_masks(vendor: str, order: Any) -> None:
    """And then it is in the body."""
    for version, model in PROVIDERS[vendor].MODELS.items():
        if model.takes_mask:
            masked = replace(order(vendor, version), mask="https://media.example/mask.png")
            assert "mask.png" in json.dumps(PROVIDERS[vendor].submission_call(masked).json)


# --- the recorded replies ---------------------------------------------------------------------


@VENDORS
def test_every_recorded_reply_is_in_a_table(vendor: str) -> None:
    """A reply that nobody expects anything of proves nothing."""
    tables = (HERE / f"test_{vendor}.py").read_text()
    unused = [
        path.stem
        for path in sorted((HERE / "replies" / vendor).glob("*.json"))
        if f'"{path.stem}"' not in tables
    ]
    assert not unused


DOCUMENTED = {
    "aimlapi-answer": [
        "purchase_accepted_201",
        "purchase_accepted_unpriced",
        "poll_queued",
        "poll_generating",
        "poll_completed",
        "poll_completed_passed_through",
        "poll_completed_without_video",
        "poll_error",
    ],
    "aimlapi-log": ["log_found", "log_found_on_page_two", "log_not_found", "log_empty"],
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_replies_are_what_the_vendor_publishes(name: str, recorded: Any) -> None:
    """Where a vendor publishes a schema of its answers, our examples of them obey it."""
    schema = json.loads((HERE / "schemas" / f"{name}.json").read_text())
    for each in DOCUMENTED[name]:
        for reply in recorded(name.split("-", maxsplit=1)[0], each):
            jsonschema.validate(json.loads(reply.text), schema)
