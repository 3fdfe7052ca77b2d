"""Each room buys a real video over real HTTP from a vendor that somebody else wrote.

The sandbox knows the wires from the same documents and shares no code with the rooms, so what
both understand alike is what the documents say.
"""

from __future__ import annotations

import asyncio
import io
import math
import struct
import time
import wave
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image, ImageDraw

from omnihuman_blocks.domain.job import (
    Cancelled,
    Failed,
    JobKey,
    MediaKind,
    Ready,
    Submission,
    Ticket,
    Upload,
)
from omnihuman_blocks.domain.pricing import settle
from omnihuman_blocks.edges.http import Account, Http
from omnihuman_blocks.errors import AccountBlocked
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox

SOLD = [(name, version) for name, vendor in PROVIDERS.items() for version in vendor.MODELS]
PATIENCE = 60.0


def portrait() -> bytes:
    """A face good enough for a vendor that only looks at sizes."""
    picture = Image.new("RGB", (512, 512), "#c8d4e0")
    ImageDraw.Draw(picture).ellipse((156, 120, 356, 380), fill="#d9a17c")
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def speech(seconds: float = 1.2) -> bytes:
    """A hum that rises and falls."""
    rate = 16_000
    samples = (
        int(9000 * math.sin(2 * math.pi * 180 * n / rate) * abs(math.sin(4 * n / rate)))
        for n in range(int(seconds * rate))
    )
    content = io.BytesIO()
    with wave.open(content, "wb") as track:
        track.setnchannels(1)
        track.setsampwidth(2)
        track.setframerate(rate)
        track.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return content.getvalue()


MEDIA: Mapping[MediaKind, Upload] = {
    MediaKind.IMAGE: Upload(
        kind=MediaKind.IMAGE, name="face.png", media_type="image/png", content=portrait()
    ),
    MediaKind.AUDIO: Upload(
        kind=MediaKind.AUDIO, name="speech.wav", media_type="audio/wav", content=speech()
    ),
}


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as connections:
        yield connections


def account(vendor: str, sandbox: Sandbox, api_key: str | None = None) -> Account:
    here, environment = PROVIDERS[vendor], sandbox.environment
    return Account(
        name=vendor,
        credentials=here.auth_headers(api_key or environment[here.KEY_VARIABLE]),
        addresses={public: environment[name] for name, public in here.ADDRESSES.items()},
    )


async def bring(http: Http, here: Account, kind: MediaKind, sandbox: Sandbox) -> str:
    """A medium's address: at the vendor where it takes uploads, else on the sandbox's shelf."""
    staging, medium = PROVIDERS[here.name].staging, MEDIA[kind]
    if staging is None or kind not in PROVIDERS[here.name].STAGES:
        return sandbox.host(medium.name, medium.content, medium.media_type)
    return (await http.follow(here, staging(medium))).address


async def order_for(
    http: Http, here: Account, sandbox: Sandbox, order: Any, version: str, **wishes: object
) -> Submission:
    submission: Submission = order(here.name, version, **wishes)
    image = await bring(http, here, MediaKind.IMAGE, sandbox)
    audio = await bring(http, here, MediaKind.AUDIO, sandbox)
    return replace(submission, image=image, audio=audio)


async def buy(http: Http, here: Account, submission: Submission) -> Ticket:
    room = PROVIDERS[here.name]
    return await http.buy(
        here,
        room.submission_call(submission),
        lambda reply: room.read_submission(reply, submission),
    )


async def wait(http: Http, here: Account, ticket: Ticket) -> Ready | Failed:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        progress = await http.follow(here, PROVIDERS[here.name].checking(ticket))
        if isinstance(progress, Ready | Failed):
            return progress
        await asyncio.sleep(0.05)
    raise AssertionError(f"{here.name} did not finish within {PATIENCE} s")


@pytest.mark.parametrize(("vendor", "version"), SOLD)
async def test_a_video_is_bought_once_and_paid_for(
    *, vendor: str, version: str, http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """From the upload to the file: one purchase, one video, and the charge where it is told."""
    here = account(vendor, omnihuman_sandbox)
    submission = await order_for(http, here, omnihuman_sandbox, order, version)
    done = await wait(http, here, await buy(http, here, submission))
    assert isinstance(done, Ready), done
    (output,) = done.outputs
    assert (await http.read(output.url, local=True, most=10**7))[4:8] == b"ftyp"
    counts = omnihuman_sandbox.counts()
    assert (counts.accepted(), counts.charged()) == (1, 1)
    charge = settle(
        done.bill, PROVIDERS[vendor].MODELS[version].price, PROVIDERS[vendor].USD_PER_CREDIT
    )
    assert charge.usd is None if vendor == "pixazo" else charge.usd
    if charge.usd is not None:
        assert abs(charge.usd - counts.charged_usd()) <= Decimal("0.0001")


@pytest.mark.parametrize("vendor", [n for n, each in PROVIDERS.items() if each.recovering])
async def test_a_lost_purchase_is_found_and_not_bought_again(
    vendor: str, http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """The ticket that recovery finds is the one that the lost answer contained."""
    here, room = account(vendor, omnihuman_sandbox), PROVIDERS[vendor]
    submission = await order_for(http, here, omnihuman_sandbox, order, "1.5")
    bought = await buy(http, here, submission)
    await wait(http, here, bought)
    assert room.recovering is not None
    for age in (timedelta(minutes=1), timedelta(hours=2)):
        found = await http.follow(here, room.recovering(submission, age))
        assert found is not None
        assert found.id == bought.id
    assert omnihuman_sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", [n for n, each in PROVIDERS.items() if each.recovering])
async def test_a_purchase_that_never_arrived_is_not_invented(
    vendor: str, http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """Long after it, nothing is found and nothing is sent."""
    here, room = account(vendor, omnihuman_sandbox), PROVIDERS[vendor]
    assert room.recovering is not None
    flow = room.recovering(order(vendor), timedelta(hours=2))
    assert await http.follow(here, flow) is None
    assert omnihuman_sandbox.counts().accepted() == 0


async def test_a_fresh_purchase_that_never_arrived_is_sent_by_recovery(
    http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """Where the buyer chooses the id, asking once more is safe, and asking twice still is."""
    here, room = account("runware", omnihuman_sandbox), PROVIDERS["runware"]
    submission = await order_for(http, here, omnihuman_sandbox, order, "1.5")
    assert room.recovering is not None
    for _ in range(2):
        found = await http.follow(here, room.recovering(submission, timedelta(minutes=1)))
        assert found is not None
    assert omnihuman_sandbox.counts().accepted() == 1


async def test_a_finished_purchase_that_is_forgotten_is_not_bought_again(
    http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """Even where a finished id can be used again: the archive is asked before anything is sent."""
    here, room = account("runware", omnihuman_sandbox), PROVIDERS["runware"]
    submission = await order_for(http, here, omnihuman_sandbox, order, "1.5")
    await wait(http, here, await buy(http, here, submission))
    omnihuman_sandbox.settings.runware.forgets_finished_after = 0.0
    assert room.recovering is not None
    assert await http.follow(here, room.recovering(submission, timedelta(minutes=1)))
    assert omnihuman_sandbox.counts().accepted() == 1


async def test_many_are_bought_and_waited_for_together(
    http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """Three purchases in one request are three tickets, and one question asks about all."""
    here, together = account("runware", omnihuman_sandbox), PROVIDERS["runware"].TOGETHER
    assert together is not None
    first = await order_for(http, here, omnihuman_sandbox, order, "1.5")
    submissions = [
        replace(first, job=replace(first.job, key=JobKey(f"{n:064x}"))) for n in range(3)
    ]
    tickets = await http.buy(
        here,
        together.submission_call(submissions),
        lambda reply: together.read_submissions(reply, submissions),
    )
    known = [each for each in tickets if isinstance(each, Ticket)]
    assert len({each.id for each in known}) == 3
    until = time.monotonic() + PATIENCE
    progress = await http.follow(here, together.checking(known))
    while not all(isinstance(each, Ready) for each in progress):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
        progress = await http.follow(here, together.checking(known))
    assert omnihuman_sandbox.counts().accepted() == 3


@pytest.mark.parametrize("vendor", PROVIDERS)
async def test_a_wrong_key_buys_nothing(
    vendor: str, http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """It blocks the account and fails no row."""
    here = account(vendor, omnihuman_sandbox, "wrong:key")
    with pytest.raises(AccountBlocked):
        await buy(http, here, order(vendor))
    assert omnihuman_sandbox.counts().accepted() == 0


@pytest.mark.parametrize("vendor", PROVIDERS)
async def test_a_job_that_fails_says_so(
    vendor: str, http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """Media that cannot be fetched end in a failure or a refusal, never in a wait without end."""
    here = account(vendor, omnihuman_sandbox)
    submission = replace(
        await order_for(http, here, omnihuman_sandbox, order, "1.5"),
        audio=f"{omnihuman_sandbox.url}/media/not-there.mp3",
    )
    done = await wait(http, here, await buy(http, here, submission))
    assert isinstance(done, Failed)
    assert omnihuman_sandbox.counts().charged() == 0


async def test_a_wish_to_cancel_is_heard(
    http: Http, omnihuman_sandbox: Sandbox, order: Any
) -> None:
    """What has ended cannot be cancelled any more, and the vendor says so."""
    here, room = account("fal", omnihuman_sandbox), PROVIDERS["fal"]
    assert room.cancelling is not None
    omnihuman_sandbox.settings.fal.slots = 0
    submission = await order_for(http, here, omnihuman_sandbox, order, "1.5")
    ticket = await buy(http, here, submission)
    assert (await http.follow(here, room.cancelling(ticket))).accepted
    done = await wait(http, here, ticket)
    assert isinstance(done, Failed)
    late = await http.follow(here, room.cancelling(ticket))
    assert late == Cancelled(accepted=False, said="ALREADY_COMPLETED")
