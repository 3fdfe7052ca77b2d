"""The four tasks in other people's flows: called, awaited, kept, repeated, and failing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.serializers import JSONSerializer, PickleSerializer

from omnihuman_blocks import (
    EventLoopTaskRunner,
    await_video,
    download_video,
    generate_video,
    submit_video,
)
from omnihuman_blocks.block_base import VendorBlock
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.errors import (
    BadDelivery,
    CannotStart,
    InDoubt,
    InvalidRow,
    OmniHumanError,
    Refused,
    Transient,
)
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.videos import VideoClip, VideoReady, VideoTicket

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

MakeBlock = Callable[..., VendorBlock]
Pair = Iterable[str]


def kept(state: State[Any]) -> bool:
    """Whether Prefect answered from what it had kept."""
    assert state.is_completed(), state
    return state.name == "Cached"


def exists(path: str) -> bool:
    """Whether the video is there."""
    return Path(path).is_file()


def steps(vendor: VendorBlock, pair: Pair) -> list[State[Any]]:
    """How the three steps ended in a flow of somebody's."""
    states: list[State[Any]] = []

    @flow
    def in_steps() -> None:
        states.append(submit_video(vendor, *pair, return_state=True))
        for step in (await_video, download_video):
            states.append(step(vendor, states[-1].result(), return_state=True))

    in_steps()
    return states


def at_once(vendor: VendorBlock, *pair: str, **wanted: Any) -> State[Any]:
    """How generating ended in a flow of somebody's."""
    states: list[State[Any]] = []

    @flow
    def in_one() -> None:
        states.append(generate_video(vendor, *pair, **wanted, return_state=True))

    in_one()
    return states[0]


# --- called and awaited -----------------------------------------------------------------------


@pytest.mark.parametrize("vendor", PROVIDERS)
def test_a_sync_flow_calls_the_steps(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, vendor: str
) -> None:
    """At every vendor: a ticket, a finished video, a checked file; bought once."""
    block, seen = make_block(vendor), []

    @flow
    def mine() -> None:
        ticket = submit_video(block, *hosted)
        ready = await_video(block, ticket)
        seen.extend([ticket, ready, download_video(block, ready)])

    mine()
    ticket, ready, clip = seen
    assert isinstance(ticket, VideoTicket)
    assert isinstance(ready, VideoReady)
    assert isinstance(clip, VideoClip)
    assert {each.key for each in seen} == {clip.key}
    assert {each.ticket for each in seen} == {sandbox.counts().purchases[0].ticket}
    assert Path(clip.path).stat().st_size == clip.size
    assert (clip.provider, clip.attempt) == (vendor, 1)
    assert abs(clip.seconds - 2) < Decimal("0.2")
    assert sandbox.counts().accepted() == 1


async def test_an_async_flow_awaits_the_steps(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """The same tasks, awaited."""
    block = make_block("fal")

    @flow
    async def mine() -> VideoClip:
        ticket = await submit_video(block, *hosted, prompt="waves")
        ready = await await_video(block, ticket)
        return cast("VideoClip", await download_video(block, ready))

    clip = await mine()
    assert exists(clip.path)
    assert clip.job.options["prompt"] == "waves"
    assert (clip.cost_usd, clip.cost_basis) == (Decimal("0.32"), CostBasis.DURATION)
    assert sandbox.counts().accepted() == 1


def test_a_sync_flow_generates(sandbox: Sandbox, make_block: MakeBlock, local: Pair) -> None:
    """From two files on disk to a checked video, in one call."""
    block, image, audio = make_block("runware"), *local

    @flow
    def mine() -> VideoClip:
        return cast("VideoClip", generate_video(block, image=image, audio=audio, prompt="waves"))

    clip = mine()
    assert Path(clip.path).is_file()
    assert clip.cost_basis is CostBasis.REPORTED
    assert sandbox.counts().accepted() == 1


async def test_an_async_flow_generates_many_at_once(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """Several takes share one house on the flow's event loop."""
    block = make_block("fal", max_in_flight=2)

    @flow
    async def mine() -> list[VideoClip]:
        takes = [generate_video(block, *hosted, variant=take) for take in (1, 2, 3, 4)]
        return list(await asyncio.gather(*takes))

    clips = await mine()
    assert len({clip.key for clip in clips}) == 4
    assert sandbox.counts().accepted() == 4
    assert sandbox.counts().vendors["fal"].in_flight_maximum <= 2


@pytest.mark.parametrize("runner", [None, EventLoopTaskRunner()], ids=["threads", "loop"])
def test_tasks_are_submitted_and_mapped(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, runner: Any
) -> None:
    """As with any task of Prefect, on its threads and on our event loop."""
    block, (image, audio) = make_block("fal"), hosted

    @flow(task_runner=runner)
    def mine() -> list[str]:
        futures = [generate_video.submit(block, image, audio, variant=take) for take in (1, 2)]
        return [cast("Any", future.result()).path for future in futures]

    assert len(set(mine())) == 2
    assert sandbox.counts().accepted() == 2


async def test_a_sync_flow_inside_a_notebook(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """A sync flow gets its answer even where an event loop runs in its thread."""
    block = make_block("fal")

    @flow
    def mine() -> str:
        return cast("VideoClip", generate_video(block, *hosted)).path

    assert exists(mine())
    assert sandbox.counts().accepted() == 1


def test_a_sync_task_and_a_script_call_it_too(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """Inside a task of one's own, and outside of any flow; with other options, too."""
    block = make_block("fal")

    @task
    def own() -> str:
        return cast("VideoClip", generate_video(block, *hosted)).path

    assert own() == generate_video.with_options(name="mine")(block, *hosted).path
    assert sandbox.counts().accepted() == 1


# --- kept -------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", PROVIDERS)
def test_a_second_run_is_answered_by_key(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, vendor: str
) -> None:
    """Waiting and downloading are kept by key and attempt; submitting never is, and buys once."""
    block = make_block(vendor)
    first, second = steps(block, hosted), steps(block, hosted)
    assert [kept(state) for state in first] == [False, False, False]
    assert [kept(state) for state in second] == [False, True, True]
    assert second[2].result() == first[2].result()
    assert sandbox.counts().accepted() == 1


def test_generating_is_kept_by_key(sandbox: Sandbox, make_block: MakeBlock, local: Pair) -> None:
    """By the key of a job that was planned, and for files on disk by what stands for them."""
    block, (image, audio) = make_block("fal"), local
    job = block.plan(image, audio)
    assert [kept(generate_video(block, job=job, return_state=True)) for _ in "ab"] == [False, True]
    assert [kept(at_once(block, image, audio)) for _ in "ab"] == [
        False,
        True,
    ]
    other = at_once(block, image, audio, prompt="waves")
    assert not kept(other)
    assert sandbox.counts().accepted() == 2


def test_a_changed_file_is_another_video(
    sandbox: Sandbox, make_block: MakeBlock, local: Pair, tmp_path: Path
) -> None:
    """The same path with another picture behind it is never answered with the old video."""
    block, (image, audio) = make_block("fal"), local
    mine = tmp_path / "anna.png"
    clips = []
    for content in (Path(image).read_bytes(), Path(image).read_bytes() + b"\0"):
        mine.write_bytes(content)
        clips.append(generate_video(block, str(mine), audio))
    assert clips[0].key != clips[1].key
    assert sandbox.counts().accepted() == 2


def test_media_on_the_web_are_not_kept_by_their_address(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """Nobody knows what lies behind an address; the ledger knows that it was bought."""
    block = make_block("fal")
    states = [generate_video(block, *hosted, return_state=True) for _ in "ab"]
    assert [kept(state) for state in states] == [False, False]
    assert sandbox.counts().accepted() == 1


def test_a_deleted_file_is_fetched_again(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """What Prefect kept names a file that has gone: it is fetched again, and kept again."""
    block = make_block("fal")
    first = steps(block, hosted)
    Path(first[2].result().path).unlink()
    second = steps(block, hosted)
    assert not kept(second[2])
    assert Path(second[2].result().path).is_file()
    assert kept(steps(block, hosted)[2])
    assert sandbox.counts().accepted() == 1


def test_an_address_that_has_gone_is_not_kept(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """Vendors' addresses expire; a kept one is asked before it is handed out."""
    block = make_block("fal")
    first = steps(block, hosted)
    assert kept(steps(block, hosted)[1])
    sandbox.faults.add({"operation": "download", "effect": {"kind": "expired"}})
    assert not kept(await_video(block, first[0].result(), return_state=True))
    assert sandbox.counts().accepted() == 1


def test_what_is_kept_for_one_folder_is_not_told_for_another(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, tmp_path: Path
) -> None:
    """Two ledgers are two worlds: the second one buys its own."""
    here, there = make_block("fal"), make_block("fal", results=str(tmp_path / "other"))
    job = here.plan(*hosted)
    first, second = (cast("VideoClip", generate_video(block, job=job)) for block in (here, there))
    assert first.path != second.path
    assert sandbox.counts().accepted() == 2


@pytest.mark.parametrize("serializer", [JSONSerializer(), PickleSerializer()], ids=["json", "pkl"])
def test_what_the_tasks_return_can_be_stored(
    make_block: MakeBlock, hosted: Pair, serializer: Any
) -> None:
    """Whichever serializer a team has chosen."""
    block = make_block("runware", options={"prompt": "waves", "seed": 7})
    ticket, ready, clip = (state.result() for state in steps(block, hosted))
    for value in (ticket, ready, clip, ticket.job):
        assert serializer.loads(serializer.dumps(value)) == value
    assert ticket.job.as_job().key == clip.key


# --- bought once ------------------------------------------------------------------------------


def test_submitting_twice_buys_once(sandbox: Sandbox, make_block: MakeBlock, hosted: Pair) -> None:
    """One after the other, and after it is done."""
    block = make_block("fal")
    tickets = [submit_video(block, *hosted) for _ in range(2)]
    generate_video(block, *hosted)
    tickets.append(submit_video(block, *hosted))
    assert len({ticket.ticket for ticket in tickets}) == 1
    assert sandbox.counts().accepted() == 1


async def test_submitting_at_the_same_moment_buys_once(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """Eight at once, on one ledger."""
    block = make_block("fal")
    tickets = await asyncio.gather(*(submit_video(block, *hosted) for _ in range(8)))
    assert len({ticket.ticket for ticket in tickets}) == 1
    assert sandbox.counts().accepted() == 1


def test_waiting_and_downloading_never_buy(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """A job that failed for nothing is bought again by submitting, and by nothing else."""
    sandbox.faults.add(
        {
            "operation": "generate",
            "effect": {"kind": "fails", "failure": "unavailable", "retryable": True},
            "when": {"first": 1},
        }
    )
    block = make_block("fal")
    ticket = submit_video(block, *hosted)
    for step in (await_video, download_video):
        with pytest.raises(Transient, match="fal made no video"):
            step(block, ticket)
    assert sandbox.counts().accepted() == 1
    again = submit_video(block, *hosted)
    assert (again.attempt, again.key) == (2, ticket.key)
    assert download_video(block, again).attempt == 2
    assert sandbox.counts().accepted() == 2


def test_a_ticket_of_another_ledger_is_not_bought(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, tmp_path: Path
) -> None:
    """A block that writes elsewhere does not know the purchase, and says so."""
    ticket = submit_video(make_block("fal"), *hosted)
    other = make_block("fal", results=str(tmp_path / "other"))
    with pytest.raises(CannotStart, match=r"is not bought as far as ledger .* knows"):
        await_video(other, ticket)
    assert sandbox.counts().accepted() == 1


# --- failing ----------------------------------------------------------------------------------


def test_a_refused_job_fails_readably(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """The task run's message is the vendor's word; a second run asks and buys nothing more."""
    sandbox.faults.add({"operation": "generate", "effect": {"kind": "fails", "failure": "content"}})
    block = make_block("fal", api_key=sandbox.environment["FAL_KEY"])
    with caplog.at_level(logging.DEBUG):
        states = [at_once(block, *hosted) for _ in "ab"]
    for state in states:
        assert state.is_failed()
        message = str(state.message)
        assert "fal made no video" in message
        assert "Traceback" not in message
        with pytest.raises(Refused) as refused:
            state.result()
        assert refused.value.code == "content_policy_violation"
    assert sandbox.counts().accepted() == 1
    assert sandbox.environment["FAL_KEY"] not in caplog.text


def test_a_lost_answer_is_in_doubt(sandbox: Sandbox, make_block: MakeBlock, hosted: Pair) -> None:
    """It may have been bought: held, said how to settle it, and not bought by asking again."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}, "times": 1})
    block = make_block("fal")
    for step in (submit_video, generate_video):
        with pytest.raises(InDoubt, match=r"held and not bought again\. .*dashboard"):
            step(block, *hosted)
    assert sandbox.counts().accepted() == 1


def test_a_blocked_account_says_so(sandbox: Sandbox, make_block: MakeBlock, hosted: Pair) -> None:
    """Nothing is bought, and nothing stands in the way of buying once the account is in order."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "refused"}, "times": 1})
    block = make_block("fal")
    with pytest.raises(OmniHumanError) as blocked:
        generate_video(block, *hosted)
    assert type(blocked.value).__name__ == "AccountBlocked"
    assert Path(generate_video(block, *hosted).path).is_file()
    assert sandbox.counts().accepted() == 1


def test_a_cap_of_the_ledger_holds(sandbox: Sandbox, make_block: MakeBlock, hosted: Pair) -> None:
    """What a ledger allows for a day holds for single videos as well."""
    block = make_block("fal")
    setting = block.setting()
    with Ledger.open(setting.ledger) as ledger:
        ledger.set_cap(Decimal("0.10"), vendor="fal", per_day=True)
    with pytest.raises(OmniHumanError) as over:
        generate_video(block, *hosted)
    assert type(over.value).__name__ == "OverBudget"
    assert sandbox.counts().accepted() == 0


def test_a_spoiled_video_is_not_handed_out(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """What was delivered is not what was bought: an error, every time, and no second purchase."""
    sandbox.faults.add({"operation": "download", "effect": {"kind": "wrong_length"}})
    block = make_block("fal")
    ticket = submit_video(block, *hosted)
    with pytest.raises(BadDelivery):
        download_video(block, ticket)
    with pytest.raises(BadDelivery):
        generate_video(block, *hosted)
    assert sandbox.counts().accepted() == 1


def test_patience_ends_and_the_ticket_is_kept(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """A job that never ends is left for the next run, in words that say so."""
    sandbox.faults.add({"operation": "generate", "effect": {"kind": "stuck"}})
    block = make_block("fal", patience_seconds=0.3)
    with pytest.raises(Transient, match="Its ticket is kept"):
        generate_video(block, *hosted)
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize(
    "case",
    [
        ("aimlapi", {"prompt": "waves"}, "does not take `prompt`"),
        ("fal", {"options": {"resolution": "4k"}}, "`resolution` is '4k'"),
        ("runware", {"options": {"number_results": 2}}, "One job is one video"),
        ("pixazo", {"mask": "mask.png"}, "`mask_uri`"),
    ],
)
def test_a_wish_that_cannot_be_honoured_is_refused(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, case: tuple[str, dict[str, Any], str]
) -> None:
    """Nobody reads a plan before a single video is bought, so nothing is dropped silently."""
    vendor, wanted, message = case
    with pytest.raises(InvalidRow, match=message):
        generate_video(make_block(vendor), *hosted, **wanted)
    assert sandbox.counts().accepted() == 0


def test_what_is_missing_is_named(sandbox: Sandbox, make_block: MakeBlock, local: Pair) -> None:
    """A file that is not there, and a call that says too little or too much."""
    block, (image, audio) = make_block("fal"), local
    with pytest.raises(InvalidRow, match=r"`audio_uri` .*nowhere\.mp3 is not there"):
        generate_video(block, image, "nowhere.mp3")
    with pytest.raises(CannotStart, match="Give image and audio"):
        submit_video(block, image)
    with pytest.raises(CannotStart, match="Give nothing beside it"):
        submit_video(block, image, audio, job=block.plan(image, audio))
    assert sandbox.counts().accepted() == 0
