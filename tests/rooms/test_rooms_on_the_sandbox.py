"""Every room through the one door, against a vendor that shares no code with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import pytest

from omnihuman_blocks.domain.job import (
    Failed,
    MediaKind,
    Progress,
    Ready,
    Submission,
    Ticket,
    Upload,
    Working,
)
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.errors import AccountBlocked, InDoubt, Refused, Transient
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.accounts import Seller

Sellers = Callable[[str], Seller]
VENDORS = list(PROVIDERS)
MODELS = [(name, version) for name, room in PROVIDERS.items() for version in room.MODELS]
SECONDS = 30


class Order(Protocol):
    def __call__(
        self, vendor: str, version: str = "1.5", *, number: int = 0, **wishes: object
    ) -> Submission: ...


async def buy(http: Http, seller: Seller, submission: Submission) -> Ticket:
    room = seller.room
    return await http.buy(
        seller.account,
        room.submission_call(submission),
        lambda reply: room.read_submission(reply, submission),
    )


async def ended(http: Http, seller: Seller, ticket: Ticket) -> Progress:
    """The vendor's last word on a job."""
    async with asyncio.timeout(SECONDS):
        while True:
            progress = await http.follow(seller.account, seller.room.checking(ticket))
            if not isinstance(progress, Working):
                return progress
            await asyncio.sleep(0.05)


async def downloaded(http: Http, ready: Ready) -> bytes:
    return await http.read(ready.outputs[0].url, local=True, most=50_000_000)


@pytest.mark.parametrize(("vendor", "version"), MODELS)
async def test_a_job_is_bought_followed_and_fetched(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, *, vendor: str, version: str
) -> None:
    """Each model of each vendor, from submission to a file, with one purchase on the till."""
    account = seller(vendor)
    ticket = await buy(http, account, order(vendor, version))
    ready = await ended(http, account, ticket)
    assert isinstance(ready, Ready), ready
    assert (await downloaded(http, ready))[4:8] == b"ftyp"
    assert sandbox.counts().accepted(account.name) == 1  # type: ignore[arg-type]
    assert sandbox.counts().purchases[0].ticket == ticket.id


@pytest.mark.parametrize(
    ("vendor", "unit"), [("runware", "usd"), ("fal", "seconds"), ("aimlapi", "credits")]
)
async def test_what_the_vendor_says_about_money_is_heard(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, *, vendor: str, unit: str
) -> None:
    """Dollars, seconds or credits; they agree with the sandbox's own till."""
    account = seller(vendor)
    ticket = await buy(http, account, order(vendor))
    ready = await ended(http, account, ticket)
    assert isinstance(ready, Ready)
    told = getattr(ready.bill, unit)
    charged = sandbox.counts().charged_usd()
    factor = {"usd": 1, "seconds": account.room.MODELS["1.5"].price, "credits": 1}[unit]
    if unit == "seconds":
        assert factor is not None
        told *= account.room.MODELS["1.5"].price.usd_per_second  # type: ignore[union-attr]
    elif unit == "credits":
        told *= account.room.USD_PER_CREDIT
    assert float(told) == pytest.approx(float(charged), rel=0.02)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_answer_lost_after_acceptance_is_in_doubt_and_bought_once(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, vendor: str
) -> None:
    """The vendor has it, we cannot know; nothing is sent again by itself."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}, "times": 1})
    account = seller(vendor)
    with pytest.raises(InDoubt):
        await buy(http, account, order(vendor))
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", ["runware", "aimlapi"])
@pytest.mark.parametrize("accepted", [True, False])
async def test_a_lost_purchase_is_found_where_the_vendor_offers_a_way(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, *, vendor: str, accepted: bool
) -> None:
    """Accepted: the ticket is found. Never arrived: Runware gets it again, AIMLAPI stays silent."""
    effect = {"kind": "lost_answer"} if accepted else {"kind": "dropped"}
    sandbox.faults.add({"operation": "submit", "effect": effect, "times": 1})
    account, submission = seller(vendor), order(vendor)
    with pytest.raises(InDoubt):
        await buy(http, account, submission)
    recovering = account.room.recovering
    assert recovering is not None
    ticket = await http.follow(account.account, recovering(submission, timedelta(seconds=1)))
    if vendor == "aimlapi" and not accepted:
        assert ticket is None
        assert sandbox.counts().accepted() == 0
    else:
        assert ticket is not None
        assert isinstance(await ended(http, account, ticket), Ready)
        assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", ["runware", "aimlapi"])
async def test_a_purchase_that_never_arrived_is_not_sent_again_late(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, vendor: str
) -> None:
    """After ten minutes an id may have been used, finished and forgotten: only questions then."""
    account, submission = seller(vendor), order(vendor)
    recovering = account.room.recovering
    assert recovering is not None
    ticket = await http.follow(account.account, recovering(submission, timedelta(minutes=11)))
    assert ticket is None
    assert sandbox.counts().accepted() == 0


async def test_a_second_task_under_one_id_is_the_first_one(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order
) -> None:
    """Runware: the conflict means that it was accepted before."""
    account, submission = seller("runware"), order("runware")
    assert await buy(http, account, submission) == await buy(http, account, submission)
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("effect", "error"),
    [
        ({"kind": "too_many_requests", "retry_after": 7}, Transient),
        ({"kind": "too_many_requests", "retry_after": 7, "as_date": True}, Transient),
        ({"kind": "server_error", "form": "html", "status": 502}, InDoubt),
        ({"kind": "server_error", "form": "json", "status": 503}, InDoubt),
        ({"kind": "garbled", "form": "half"}, InDoubt),
        ({"kind": "garbled", "form": "list"}, InDoubt),
        ({"kind": "garbled", "form": "object"}, InDoubt),
        ({"kind": "dropped"}, InDoubt),
    ],
)
async def test_a_stumble_at_the_till_means_the_same_at_every_vendor(
    http: Http,
    sandbox: Sandbox,
    seller: Sellers,
    order: Order,
    *,
    vendor: str,
    effect: dict[str, object],
    error: type[Exception],
) -> None:
    """Too many is a clear no; what says nothing about the purchase leaves it in doubt."""
    sandbox.faults.add({"operation": "submit", "effect": effect})
    with pytest.raises(error) as caught:
        await buy(http, seller(vendor), order(vendor))
    if isinstance(caught.value, Transient):
        # A date is told in whole seconds, against a `Date` header that may lag; never too early.
        wish = caught.value.retry_after
        assert wish is not None and 6 <= wish <= 10  # noqa: PT018 - one statement about one number


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_stumble_while_waiting_is_only_not_now(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, vendor: str
) -> None:
    """Questions may fail as they like; the job is there, and its end is heard later."""
    account = seller(vendor)
    ticket = await buy(http, account, order(vendor))
    for effect in (
        {"kind": "dropped"},
        {"kind": "server_error", "form": "html", "status": 502},
        {"kind": "too_many_requests"},
    ):
        sandbox.faults.replace([{"operation": "any", "effect": effect}])
        with pytest.raises(Transient):
            await http.follow(account.account, account.room.checking(ticket))
    sandbox.faults.clear()
    assert isinstance(await ended(http, account, ticket), Ready)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("block", ["balance", "key"])
async def test_a_blocked_account_buys_nothing(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, *, vendor: str, block: str
) -> None:
    """No credit or no key: nobody buys until a person acts, and nothing was bought."""
    sandbox.settings.change({vendor: {"blocked": block}})
    with pytest.raises(AccountBlocked):
        await buy(http, seller(vendor), order(vendor))
    assert sandbox.counts().accepted() == 0


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("retryable", [True, False])
async def test_a_job_that_fails_at_the_vendor_is_a_failure(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order, *, vendor: str, retryable: bool
) -> None:
    """In each vendor's own form, with its opinion on trying again where it has one."""
    failure = "internal" if retryable else "content"
    effect = {"kind": "fails", "failure": failure, "retryable": retryable}
    sandbox.faults.add({"operation": "generate", "effect": effect})
    account = seller(vendor)
    failed = await ended(http, account, await buy(http, account, order(vendor)))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, Transient if failed.retryable else Refused)
    if vendor in ("runware", "fal"):
        assert failed.retryable is retryable


@pytest.mark.parametrize("vendor", ["runware", "fal"])
@pytest.mark.parametrize("kind", [MediaKind.IMAGE, MediaKind.AUDIO])
async def test_an_uploaded_medium_is_taken_as_input(
    http: Http,
    sandbox: Sandbox,
    seller: Sellers,
    order: Order,
    uploads: dict[MediaKind, Upload],
    *,
    vendor: str,
    kind: MediaKind,
) -> None:
    """The address that staging returns can be bought with."""
    account, submission = seller(vendor), order(vendor)
    staging = account.room.staging
    assert staging is not None
    staged = await http.follow(account.account, staging(uploads[kind]))
    changed = {"image": submission.image, "audio": submission.audio, kind.value: staged.address}
    ticket = await buy(
        http, account, Submission(job=submission.job, attempt=1, mask=None, **changed)
    )
    assert isinstance(await ended(http, account, ticket), Ready)


async def test_an_image_travels_inside_the_request_where_there_is_no_storage(
    http: Http,
    sandbox: Sandbox,
    seller: Sellers,
    order: Order,
    uploads: dict[MediaKind, Upload],
) -> None:
    """AIMLAPI takes the image as base64."""
    account, submission = seller("aimlapi"), order("aimlapi")
    staging = account.room.staging
    assert staging is not None
    staged = await http.follow(account.account, staging(uploads[MediaKind.IMAGE]))
    changed = Submission(
        job=submission.job, attempt=1, image=staged.address, audio=submission.audio
    )
    assert isinstance(await ended(http, account, await buy(http, account, changed)), Ready)


async def test_a_queued_job_can_be_cancelled_at_fal(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order
) -> None:
    """A job in the queue goes; its result then says so, and nothing is charged."""
    sandbox.settings.change({"fal": {"slots": 0}})
    account = seller("fal")
    ticket = await buy(http, account, order("fal"))
    waiting = await http.follow(account.account, account.room.checking(ticket))
    assert isinstance(waiting, Working)
    assert waiting.queue_position == 0
    cancelling = account.room.cancelling
    assert cancelling is not None
    assert (await http.follow(account.account, cancelling(ticket))).accepted
    assert isinstance(await ended(http, account, ticket), Failed)
    assert sandbox.counts().charged() == 0


async def test_many_jobs_are_bought_and_asked_after_in_one_request(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order
) -> None:
    """Runware: an array of tasks in, an array of answers out, each about its own."""
    account = seller("runware")
    together = account.room.TOGETHER
    assert together is not None
    submissions = [order("runware", number=number) for number in range(5)]
    tickets = await http.buy(
        account.account,
        together.submission_call(submissions),
        lambda reply: together.read_submissions(reply, submissions),
    )
    assert all(isinstance(ticket, Ticket) for ticket in tickets)
    asked = [ticket for ticket in tickets if isinstance(ticket, Ticket)]
    async with asyncio.timeout(SECONDS):
        while True:
            answers = await http.follow(account.account, together.checking(asked))
            if all(isinstance(answer, Ready) for answer in answers):
                break
            await asyncio.sleep(0.05)
    assert sandbox.counts().accepted("runware") == 5


async def test_several_results_of_one_job_come_with_their_own_seeds(
    http: Http, sandbox: Sandbox, seller: Sellers, order: Order
) -> None:
    """Runware: two videos under one id, ready when both are."""
    account = seller("runware")
    ticket = await buy(http, account, order("runware", number_results=2))
    ready = await ended(http, account, ticket)
    assert isinstance(ready, Ready)
    assert len({output.seed for output in ready.outputs}) == 2
