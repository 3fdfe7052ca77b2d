"""What the sandbox says was bought, and the switchboard over HTTP."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from omnihuman_blocks.sandbox.media import Medium

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Aimlapi, Fal, Media, Pixazo, Runware


def test_a_purchase_is_written_down_in_full(
    runware: Runware, sandbox: Sandbox, media: Media
) -> None:
    """Who, what, when, how much, how often asked, and when the end was seen."""
    task = runware.task()
    runware.post(task)
    (item,) = runware.ended(task["taskUUID"])["data"]
    runware.http.get(item["videoURL"])
    (bought,) = sandbox.counts().purchases
    assert (bought.vendor, bought.model) == ("runware", "bytedance:5@2")
    assert bought.ticket == bought.client_id == task["taskUUID"]
    assert bought.image_sha256 == Medium.of(media.portrait()).digest
    assert bought.audio_sha256 == Medium.of(media.voice()).digest
    assert (bought.state, bought.charged, bought.audio_seconds) == ("done", True, 2.0)
    assert bought.charge_usd == Decimal("0.2650")
    assert bought.requests["submit"] == bought.requests["download"] == 1
    assert bought.requests["status"] >= 1
    assert bought.detection_seconds is not None
    assert 0 <= bought.detection_seconds < 10


def test_contents_are_told_apart_by_bytes_and_options(
    fal: Fal, sandbox: Sandbox, media: Media
) -> None:
    """Another address of the same bytes is the same content; another option is another."""
    image, audio = media.image(), media.audio()
    for change in (
        {},
        {"image_url": media.image(), "audio_url": media.audio()},
        {"resolution": "1080p"},
        {"prompt": "smile"},
        {"turbo_mode": True},
        {"turbo_mode": False},
        {"audio_url": media.audio(3.0)},
        {"image_url": media.image(shade=9)},
    ):
        body = {"image_url": image, "audio_url": audio, "resolution": "720p", **change}
        assert fal.submit(body).status_code == 200
    takes = sorted(take.accepted for take in sandbox.counts().contents)
    assert takes == [1, 1, 1, 1, 1, 3]


def test_handling_is_no_content(runware: Runware, sandbox: Sandbox) -> None:
    """Where it is sent to, how long it lives and whether the cost is told do not count."""
    inputs = runware.task()["inputs"]
    for more in ({}, {"ttl": 90}, {"includeCost": True}, {"safety": {"mode": "fast"}}, {"seed": 1}):
        runware.post(runware.task(inputs=inputs, **more))
    assert sorted(take.accepted for take in sandbox.counts().contents) == [1, 4]


def test_a_medium_from_elsewhere_is_known_by_its_bytes(
    fal: Fal, sandbox: Sandbox, media: Media, http: httpx.Client
) -> None:
    """Fetched over the network, it is the same content as on the own shelf."""
    from omnihuman_blocks.sandbox.server import Sandbox as Another  # noqa: PLC0415

    with Another(studio=sandbox.house.desk.engine.maker.studio) as elsewhere:  # type: ignore[union-attr]
        far = elsewhere.host("voice.wav", media.voice(), "audio/wav")
        body = fal.input()
        for audio in (body["audio_url"], far):
            assert fal.result(fal.submit({**body, "audio_url": audio}).json()).status_code == 200
    (take,) = sandbox.counts().contents
    assert take.accepted == 2
    assert http.get(f"{sandbox.url}/control/counts").json()["contents"][0]["accepted"] == 2


def test_vendors_are_counted_apart(
    runware: Runware, fal: Fal, pixazo: Pixazo, aimlapi: Aimlapi, sandbox: Sandbox
) -> None:
    """Accepted, charged, and every request by its kind."""
    runware.post(runware.task(), runware.task())
    fal.result(fal.submit().json())
    sandbox.faults.add({"vendor": "pixazo", "effect": {"kind": "fails"}})
    pixazo.ended(pixazo.submit().json())
    aimlapi.submit({})
    counts = sandbox.counts()
    assert {name: one.accepted for name, one in counts.vendors.items()} == {
        "runware": 2,
        "fal": 1,
        "pixazo": 1,
        "aimlapi": 0,
    }
    assert (counts.accepted(), counts.accepted("fal")) == (4, 1)
    assert (counts.charged("pixazo"), counts.charged_usd("pixazo")) == (0, Decimal(0))
    assert counts.charged_usd("fal") == Decimal("0.3200")
    assert counts.vendors["aimlapi"].requests == {"submit": 1}
    assert counts.vendors["fal"].requests["result"] == 1


def test_the_most_jobs_at_once_are_remembered(fal: Fal, sandbox: Sandbox) -> None:
    """In flight means accepted and not ended."""
    sandbox.settings.fal.slots = 0
    submitted = [fal.submit().json() for _ in range(3)]
    sandbox.settings.fal.slots = 3
    for body in submitted:
        fal.result(body)
    fal.result(fal.submit().json())
    counts = sandbox.counts().vendors["fal"]
    assert (counts.in_flight, counts.in_flight_maximum) == (0, 3)


def test_a_lost_answer_has_not_told_anybody(fal: Fal, sandbox: Sandbox) -> None:
    """The end is seen when it has really been said, and the delay counts from the end."""
    submitted = fal.submit().json()
    sandbox.faults.add({"id": "r", "operation": "status", "effect": {"kind": "lost_answer"}})
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        with pytest.raises(httpx.RemoteProtocolError):
            fal.get(submitted["status_url"])
    assert sandbox.counts().purchases[0].seen_at is None
    sandbox.faults.remove("r")
    fal.result(submitted)
    delay = sandbox.counts().purchases[0].detection_seconds
    assert delay is not None
    assert delay >= 0.2


def test_jitter_is_the_same_in_every_run(fal: Fal, sandbox: Sandbox) -> None:
    """The seed and the content decide how long a model takes."""
    sandbox.settings.time_scale = 0.001
    body = fal.input()

    def took() -> float:
        fal.result(fal.submit(body).json())
        assert sandbox.house is not None
        return sandbox.house.desk.engine.bought[-1].model_seconds

    first = took()
    sandbox.reset()
    again = took()
    sandbox.reset()
    sandbox.settings.generation.seed = 5
    other = took()
    assert first == again
    assert other != first


# --- over HTTP ----------------------------------------------------------------------------------


def control(sandbox: Sandbox, path: str) -> str:
    return f"{sandbox.url}/control/{path}"


def test_counts_are_served_as_json(fal: Fal, sandbox: Sandbox, http: httpx.Client) -> None:
    """The same account; money as text, so that nobody sums floats."""
    fal.result(fal.submit().json())
    body = http.get(control(sandbox, "counts")).json()
    assert body == sandbox.counts().document()
    assert body["purchases"][0]["charge_usd"] == "0.3200"
    assert body["vendors"]["fal"]["charged"] == 1


def test_faults_are_changed_over_http(fal: Fal, sandbox: Sandbox, http: httpx.Client) -> None:
    """Added, listed with how often they struck, changed, replaced, removed."""
    faults = control(sandbox, "faults")
    added = http.post(faults, json={"effect": {"kind": "server_error"}})
    assert added.status_code == 201
    assert fal.submit().status_code == 503
    (listed,) = http.get(faults).json()["rules"]
    assert (listed["id"], listed["happened"]) == (added.json()["id"], 1)
    changed = http.put(f"{faults}/{listed['id']}", json={"effect": {"kind": "too_many_requests"}})
    assert changed.json()["effect"]["kind"] == "too_many_requests"
    assert fal.submit().status_code == 429
    rules = [{"id": "a", "effect": {"kind": "slow"}}, {"id": "b", "effect": {"kind": "stuck"}}]
    replaced = http.put(faults, json={"rules": rules}).json()["rules"]
    assert [rule["id"] for rule in replaced] == ["a", "b"]
    assert http.delete(f"{faults}/a").json() == {"removed": True}
    assert http.delete(f"{faults}/a").status_code == 404
    more = http.post(faults, json=[{"id": "c", "effect": {"kind": "slow"}}]).json()
    assert [rule["id"] for rule in more] == ["c"]
    assert [rule.id for rule in sandbox.faults.rules] == ["b", "c"]
    http.delete(faults)
    assert sandbox.faults.rules == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "faults"), ("PUT", "faults"), ("PUT", "faults/a"), ("PUT", "settings")],
)
@pytest.mark.parametrize("sent", [b"not json", b'{"colour": 1}', b'"text"'])
def test_what_is_not_understood_is_refused_with_reasons(
    sandbox: Sandbox, http: httpx.Client, method: str, path: str, sent: bytes
) -> None:
    """400 and what is wrong; nothing changes."""
    before = sandbox.settings.model_dump()
    answer = http.request(method, control(sandbox, path), content=sent)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert (sandbox.settings.model_dump(), sandbox.faults.rules) == (before, ())


def test_settings_are_changed_in_part(fal: Fal, sandbox: Sandbox, http: httpx.Client) -> None:
    """Only what is named changes, and it takes effect at once."""
    settings = control(sandbox, "settings")
    http.put(settings, json={"fal": {"slots": 0}})
    waiting = fal.submit().json()
    assert sandbox.settings.fal.usd_per_second["fal-ai/bytedance/omnihuman"] == 0.14
    assert fal.get(waiting["status_url"]).json()["status"] == "IN_QUEUE"
    shown = http.put(settings, json={"fal": {"slots": 1}}).json()
    assert shown == http.get(settings).json()
    assert fal.result(waiting).status_code == 200


def test_everything_can_begin_again(fal: Fal, sandbox: Sandbox, http: httpx.Client) -> None:
    """No jobs, no counts, no faults; settings and media stay."""
    body = fal.input()
    submitted = fal.submit(body).json()
    fal.result(submitted)
    sandbox.faults.add({"effect": {"kind": "slow"}})
    sandbox.settings.fal.slots = 3
    http.post(control(sandbox, "reset"))
    assert sandbox.counts().purchases == ()
    assert sandbox.counts().vendors["fal"].requests == {}
    assert sandbox.faults.rules == ()
    assert fal.get(submitted["status_url"]).status_code == 404
    assert sandbox.settings.fal.slots == 3
    assert fal.result(fal.submit(body).json()).status_code == 200
    assert [bought.number for bought in sandbox.counts().purchases] == [1]


def test_media_are_hosted_for_anybody(sandbox: Sandbox, http: httpx.Client) -> None:
    """PUT, GET, HEAD and DELETE on any path, with its digest."""
    url = f"{sandbox.url}/media/rows/grüße %23 1.wav"
    put = http.put(url, content=b"bytes")
    got = http.get(put.json()["url"])
    assert put.status_code == 201
    assert put.json()["sha256"] == Medium.of(b"bytes").digest
    assert (got.content, got.headers["content-type"]) == (b"bytes", "audio/x-wav")
    assert http.head(url).headers["content-length"] == "5"
    assert http.delete(url).json() == {"deleted": True}
    assert http.get(url).status_code == 404


def test_requests_from_many_threads_are_all_counted(fal: Fal, sandbox: Sandbox) -> None:
    """Forty submissions at once are forty purchases."""
    body = fal.input()
    problems: list[Any] = []

    def buy() -> None:
        if fal.submit(body).status_code != 200:
            problems.append(1)

    threads = [threading.Thread(target=buy) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (take,) = sandbox.counts().contents
    assert (problems, take.accepted) == ([], 40)


# --- from Python --------------------------------------------------------------------------------


def test_purchases_are_narrated(fal: Fal, sandbox: Sandbox) -> None:
    """One line when something is bought and one when it ends, with its charge."""
    from omnihuman_blocks.sandbox.server import Sandbox as Another  # noqa: PLC0415

    lines: list[str] = []
    studio = sandbox.house.desk.engine.maker.studio  # type: ignore[union-attr]
    with Another(studio=studio, narrate=lines.append) as other:
        other.settings.time_scale = 0
        client = type(fal)(other, type(fal.media)(other), fal.http)
        client.result(client.submit().json())
        other.faults.add({"effect": {"kind": "fails", "failure": "content"}})
        client.result(client.submit().json())
    assert "#1 bought fal-ai/bytedance/omnihuman/v1.5" in lines[0]
    assert "#1 is done, charged 0.3200 USD" in lines[1]
    assert "#2 failed (content_policy_violation), not charged" in lines[3]


def test_a_sandbox_can_be_started_again(fal: Fal, sandbox: Sandbox) -> None:
    """After its end it says that it is not running; started again it is fresh."""
    from omnihuman_blocks.sandbox.server import Sandbox as Another  # noqa: PLC0415

    other = Another(studio=sandbox.house.desk.engine.maker.studio)  # type: ignore[union-attr]
    for question in (other.counts, lambda: other.url):
        with pytest.raises(RuntimeError, match="not been started"):
            question()
    for _ in range(2):
        with other:
            client = type(fal)(other, type(fal.media)(other), fal.http)
            assert client.submit().status_code == 200
            assert other.counts().accepted("fal") == 1
    with pytest.raises(RuntimeError, match="not been started"):
        other.counts()
