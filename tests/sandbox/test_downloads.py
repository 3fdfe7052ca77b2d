"""Videos that are gone, broken, swollen, endless, or somebody else's."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Aimlapi, Fal, Runware

MEGABYTE = 1024 * 1024


@pytest.fixture
def address(fal: Fal) -> str:
    """Where a finished video is."""
    url: str = fal.result(fal.submit().json()).json()["video"]["url"]
    return url


def film(raw: bytes) -> Any:
    """What the quick studio wrote down."""
    return json.loads(raw[: raw.index(b"}") + 1])


def test_a_video_can_be_had_whole_and_in_part(http: httpx.Client, address: str) -> None:
    """GET, HEAD and a range."""
    whole = http.get(address)
    head = http.head(address)
    part = http.get(address, headers={"Range": "bytes=10-19"})
    rest = http.get(address, headers={"Range": "bytes=5000-"})
    beyond = http.get(address, headers={"Range": "bytes=999999-"})
    assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
    assert int(head.headers["content-length"]) == len(whole.content)
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert rest.content == whole.content[5000:]
    assert beyond.status_code == 416


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_address_can_expire_for_good(
    fal: Fal, sandbox: Sandbox, address: str, status: int
) -> None:
    """It stays dead when the rule is gone, and asking again gives the same address."""
    sandbox.faults.add({"id": "x", "times": 1, "effect": {"kind": "expired", "status": status}})
    assert fal.http.get(address).status_code == status
    sandbox.faults.remove("x")
    assert fal.http.get(address).status_code == status
    (bought,) = sandbox.counts().purchases
    result = f"{sandbox.url}/fal/queue/fal-ai/bytedance/requests/{bought.ticket}"
    assert fal.get(result).json()["video"]["url"] == address


def test_a_fresh_address_can_be_asked_for(runware: Runware, sandbox: Sandbox) -> None:
    """With `fresh`, the job's next answer names another address that works."""
    task = runware.task()
    runware.post(task)
    (item,) = runware.ended(task["taskUUID"])["data"]
    sandbox.faults.add({"times": 1, "effect": {"kind": "expired", "fresh": True}})
    assert runware.http.get(item["videoURL"]).status_code == 404
    (again,) = runware.ask(task["taskUUID"]).json()["data"]
    assert again["videoURL"] != item["videoURL"]
    assert runware.http.get(again["videoURL"]).status_code == 200
    assert runware.http.get(item["videoURL"]).status_code == 404


def test_addresses_die_with_age(aimlapi: Aimlapi, sandbox: Sandbox, until: Any) -> None:
    """After their lifetime, with the status that is set; renewed only where that is set."""
    sandbox.settings.outputs.lifetime_seconds = 0.3
    sandbox.settings.outputs.expired_status = 410
    ticket = aimlapi.submit().json()["id"]
    url = aimlapi.ended(ticket).json()["video"]["url"]
    until(lambda: aimlapi.http.get(url).status_code == 410)
    assert aimlapi.fetch(ticket).json()["video"]["url"] == url
    sandbox.settings.outputs.renewed = True
    fresh = aimlapi.fetch(ticket).json()["video"]["url"]
    assert fresh != url
    assert aimlapi.http.get(fresh).status_code == 200


def test_a_file_can_stop_in_the_middle(http: httpx.Client, sandbox: Sandbox, address: str) -> None:
    """Announced whole, or as long as what is sent."""
    whole = http.get(address).content
    sandbox.faults.add({"id": "t", "effect": {"kind": "truncated"}})
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed"):
        http.get(address)
    sandbox.faults.add({"id": "t", "effect": {"kind": "truncated", "honest": True}})
    assert http.get(address).content == whole[: len(whole) // 2]


def test_a_file_can_be_empty_or_a_page(http: httpx.Client, sandbox: Sandbox, address: str) -> None:
    """200 both times."""
    sandbox.faults.add({"id": "e", "effect": {"kind": "empty"}})
    empty = http.get(address)
    sandbox.faults.add({"id": "e", "effect": {"kind": "html"}})
    page = http.get(address)
    assert (empty.status_code, empty.content) == (200, b"")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<html>" in page.content


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_can_be_too_large(
    http: httpx.Client, sandbox: Sandbox, address: str, *, announced: bool
) -> None:
    """It begins like the video and goes on with rubbish, announced or not."""
    whole = http.get(address).content
    sandbox.faults.add({"effect": {"kind": "oversized", "megabytes": 3, "announced": announced}})
    answer = http.get(address)
    assert len(answer.content) == 3 * MEGABYTE
    assert answer.content.startswith(whole)
    assert ("content-length" in answer.headers) == announced


def test_a_file_can_be_endless(http: httpx.Client, sandbox: Sandbox, address: str) -> None:
    """It keeps coming until the reader leaves; then the sandbox stops too."""
    sandbox.faults.add({"effect": {"kind": "endless", "kilobytes": 512, "pause_seconds": 0}})
    read = 0
    with http.stream("GET", address) as answer:
        for chunk in answer.iter_bytes():
            read += len(chunk)
            if read > 8 * MEGABYTE:
                break
    sandbox.faults.clear()
    assert http.get(address).status_code == 200


def test_a_file_can_be_a_bomb(http: httpx.Client, sandbox: Sandbox, address: str) -> None:
    """A few kilobytes on the wire unpack to megabytes."""
    sandbox.faults.add({"effect": {"kind": "gzip_bomb", "megabytes": 16}})
    with http.stream("GET", address) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(raw) < MEGABYTE
    assert len(http.get(address).content) == 16 * MEGABYTE


def test_a_video_can_have_another_length(
    http: httpx.Client, sandbox: Sandbox, address: str
) -> None:
    """A good file, half as long."""
    sandbox.faults.add({"effect": {"kind": "wrong_length", "factor": 0.5}})
    assert film(http.get(address).content)["seconds"] == pytest.approx(1.0)


def test_a_video_can_be_another_rows(fal: Fal, sandbox: Sandbox, address: str) -> None:
    """Another job's video; as long as there is no other job, one with another sound."""
    mine = fal.http.get(address).content
    sandbox.faults.add({"effect": {"kind": "other_video"}})
    made_up = fal.http.get(address).content
    other = fal.result(fal.submit(fal.input(audio_url=fal.media.audio(9))).json()).json()
    swapped = fal.http.get(address).content
    assert made_up != mine
    assert film(made_up)["seconds"] == pytest.approx(film(mine)["seconds"])
    assert film(swapped)["seconds"] == other["duration"] == 9.0


def test_downloads_are_counted_and_can_fail_like_requests(
    http: httpx.Client, sandbox: Sandbox, address: str
) -> None:
    """Slow, 503, dropped: the same effects as anywhere, and each download is counted."""
    http.get(address)
    effects: list[dict[str, Any]] = [
        {"kind": "server_error", "form": "html"},
        {"kind": "slow", "seconds": 0.2},
        {"kind": "lost_answer"},
    ]
    began = time.monotonic()
    for effect in effects:
        sandbox.faults.add({"id": "r", "operation": "download", "effect": effect})
        if effect["kind"] == "lost_answer":
            with pytest.raises(httpx.RemoteProtocolError):
                http.get(address)
        else:
            assert http.get(address).status_code == (503 if "form" in effect else 200)
    assert time.monotonic() - began >= 0.2
    (bought,) = sandbox.counts().purchases
    assert bought.requests["download"] == 4


def test_an_address_that_was_never_given_is_not_found(http: httpx.Client, sandbox: Sandbox) -> None:
    """404."""
    assert http.get(f"{sandbox.url}/outputs/none.mp4").status_code == 404
