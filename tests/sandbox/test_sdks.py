"""The vendors' own clients, unchanged, drive whole jobs: so the wires are known to be true."""

from __future__ import annotations

import asyncio
import base64
import gc
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fal_client
import fal_client.client as fal_module
import pytest
from runware import Runware, RunwareError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Media

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
MODEL = "fal-ai/bytedance/omnihuman/v1.5"

# --- fal-client ---------------------------------------------------------------------------------


@pytest.fixture
def fal_sdk(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[fal_client.SyncClient]:
    """The official client, pointed at the sandbox by its module's addresses."""
    monkeypatch.setattr(fal_module, "QUEUE_URL_FORMAT", f"{sandbox.url}/fal/queue/")
    monkeypatch.setattr(fal_module, "REST_URL", f"{sandbox.url}/fal/rest")
    monkeypatch.setattr(fal_module, "CDN_URL", f"{sandbox.url}/fal/cdn")
    yield fal_client.SyncClient(key=sandbox.settings.fal.key)
    gc.collect()  # it never closes its connections: let that be seen here and nowhere else


def arguments(media: Media, **more: Any) -> dict[str, Any]:
    given = {"image_url": media.image(), "audio_url": media.audio(), "resolution": "720p"}
    return {**given, **more}


def test_fal_client_subscribes_to_a_whole_job(
    fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox
) -> None:
    """Enqueued, in progress with logs, completed, and the result."""
    sandbox.settings.time_scale = 0.03
    updates: list[Any] = []
    result = fal_sdk.subscribe(
        MODEL, arguments(media), with_logs=True, on_queue_update=updates.append, interval=0.02
    )
    assert isinstance(updates[-1], fal_client.Completed)
    assert any(isinstance(update, fal_client.InProgress) for update in updates)
    assert result["duration"] == 2.0
    assert sandbox.counts().charged("fal") == 1


def test_fal_client_follows_a_handle(
    fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox
) -> None:
    """Submit, position, result, and the result again by id alone."""
    sandbox.settings.fal.slots = 0
    handle = fal_sdk.submit(MODEL, arguments(media))
    status = handle.status()
    sandbox.settings.fal.slots = 1
    assert status == fal_client.Queued(position=0)
    assert handle.get(interval=0.01) == fal_sdk.result(MODEL, handle.request_id)


def test_fal_client_meets_a_model_error(
    fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox
) -> None:
    """The array of details is the message, with status and headers."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "content"}})
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        fal_sdk.submit(MODEL, arguments(media)).get(interval=0.01)
    assert caught.value.status_code == 422
    assert caught.value.response_headers["x-fal-retryable"] == "false"
    assert caught.value.response.json()["detail"][0]["type"] == "content_policy_violation"


def test_fal_client_meets_a_request_error(
    fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox
) -> None:
    """A flat error has a type."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "runner_server_error"}})
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        fal_sdk.submit(MODEL, arguments(media)).get(interval=0.01)
    assert (caught.value.status_code, caught.value.error_type) == (500, "runner_server_error")


def test_fal_client_meets_a_locked_account(
    fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox
) -> None:
    """403 with the reason."""
    sandbox.settings.fal.blocked = "balance"
    with pytest.raises(fal_client.FalClientHTTPError, match="Exhausted balance") as caught:
        fal_sdk.submit(MODEL, arguments(media))
    assert caught.value.status_code == 403


def test_fal_client_cancels(fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox) -> None:
    """A queued request ends as cancelled."""
    sandbox.settings.fal.slots = 0
    handle = fal_sdk.submit(MODEL, arguments(media))
    handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        handle.get(interval=0.01)
    assert (caught.value.status_code, caught.value.error_type) == (499, "client_cancelled")


def test_fal_client_uploads_whole_in_parts_and_the_older_way(
    fal_sdk: fal_client.SyncClient, media: Media, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All three end in addresses that a job can use."""
    image = fal_sdk.upload(media.portrait(), "image/png", "face.png")
    older = fal_sdk.upload(media.portrait(), "image/png", "face.png", repository="fal")
    monkeypatch.setattr(fal_module, "MULTIPART_THRESHOLD", 10_000)
    monkeypatch.setattr(fal_module, "MULTIPART_CHUNK_SIZE", 20_000)
    voice = tmp_path / "voice.wav"
    voice.write_bytes(media.voice(5.0))
    audio = fal_sdk.upload_file(voice)
    for address in (image, older):
        body = arguments(media, image_url=address, audio_url=audio)
        assert fal_sdk.submit(MODEL, body).get(interval=0.01)["duration"] == 5.0


def test_fal_client_buys_again_when_an_answer_is_lost(
    fal_sdk: fal_client.SyncClient, media: Media, sandbox: Sandbox
) -> None:
    """Two lost answers are three purchases, of which the caller learns one."""
    sandbox.faults.add({"operation": "submit", "times": 2, "effect": {"kind": "lost_answer"}})
    handle = fal_sdk.submit(MODEL, arguments(media))
    handle.get(interval=0.01)
    (take,) = sandbox.counts().bought_twice()
    assert take.accepted == 3
    assert handle.request_id == sandbox.counts().purchases[2].ticket


async def test_fal_clients_async_half_works_too(
    sandbox: Sandbox, media: Media, fal_sdk: Any
) -> None:
    """The same wire, awaited."""
    client = fal_client.AsyncClient(key=sandbox.settings.fal.key)
    audio = await client.upload(media.voice(3.0), "audio/wav", "a.wav")
    handle = await client.submit(MODEL, arguments(media, audio_url=audio))
    assert (await handle.get(interval=0.01))["duration"] == 3.0


# --- runware-sdk --------------------------------------------------------------------------------


def runware_sdk(sandbox: Sandbox, transport: str) -> Any:
    """The official client over either transport, pointed at the sandbox by its own options."""
    return Runware(
        api_key=sandbox.settings.runware.key,
        transport=transport,
        http_base_url=f"{sandbox.url}/runware/v1",
        ws_base_url=f"{sandbox.url.replace('http', 'ws')}/runware/v1",
        retry_delay=50,
    )


both = pytest.mark.parametrize("transport", ["rest", "websocket"])


def task(media: Media, **more: Any) -> dict[str, Any]:
    inputs = {"image": media.image(), "audio": media.audio()}
    return {"taskType": "videoInference", "model": "bytedance:5@2", "inputs": inputs, **more}


@both
async def test_runware_sdk_runs_a_whole_job(sandbox: Sandbox, media: Media, transport: str) -> None:
    """Submission, polls, result with its cost."""
    async with runware_sdk(sandbox, transport) as client:
        (item,) = await client.run(task(media, includeCost=True))
    assert item["cost"] == pytest.approx(0.265)
    assert item["videoURL"].startswith(f"{sandbox.url}/outputs/")
    assert sandbox.counts().charged("runware") == 1


@both
async def test_runware_sdk_collects_several_results(
    sandbox: Sandbox, media: Media, transport: str
) -> None:
    """As many as were asked for, told apart by their UUIDs."""
    async with runware_sdk(sandbox, transport) as client:
        items = await client.run(task(media, numberResults=2))
    assert len({item["videoUUID"] for item in items}) == 2


@both
@pytest.mark.parametrize("form", ["errors", "item"])
async def test_runware_sdk_meets_a_failure_in_both_forms(
    sandbox: Sandbox, media: Media, transport: str, form: Any
) -> None:
    """It raises with the category of the code."""
    sandbox.settings.runware.failures = form
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "content"}})
    async with runware_sdk(sandbox, transport) as client:
        with pytest.raises(RunwareError) as caught:
            await client.run(task(media))
    assert caught.value.code == "safety"


@both
async def test_runware_sdk_meets_a_refusal(sandbox: Sandbox, media: Media, transport: str) -> None:
    """A bad field is named."""
    async with runware_sdk(sandbox, transport) as client:
        with pytest.raises(RunwareError) as caught:
            await client.run(task(media, outputQuality=3))
    assert (caught.value.code, caught.value.parameter) == ("validation", "outputQuality")
    assert sandbox.counts().accepted() == 0


@both
async def test_runware_sdk_meets_a_wrong_key(
    sandbox: Sandbox, media: Media, transport: str
) -> None:
    """It is told apart from everything else."""
    sandbox.settings.runware.key = "another"
    client = runware_sdk(sandbox, transport)
    sandbox.settings.runware.key = "the-right-one"
    with pytest.raises(RunwareError) as caught:
        async with client:
            await client.run(task(media))
    assert caught.value.code == "auth"


@both
async def test_runware_sdk_uploads_and_deletes(
    sandbox: Sandbox, media: Media, transport: str
) -> None:
    """Media by UUID, used in a job, then deleted."""
    async with runware_sdk(sandbox, transport) as client:
        voice = base64.b64encode(media.voice(4.0)).decode()
        (stored,) = await client.media_storage({"operation": "upload", "media": voice})
        inputs = {"image": media.image(), "audio": stored["mediaUUID"]}
        (item,) = await client.run(task(media, inputs=inputs, includeCost=True))
        (gone,) = await client.media_storage(
            {"operation": "delete", "mediaUUID": stored["mediaUUID"]}
        )
        (account,) = await client.account_management({"operation": "getDetails"})
    assert item["cost"] == pytest.approx(4 * 0.1325)
    assert gone["mediaUUID"] == stored["mediaUUID"]
    assert account["balance"] == pytest.approx(1000 - 4 * 0.1325)


async def test_runware_sdk_over_rest_buys_once_and_raises(sandbox: Sandbox, media: Media) -> None:
    """A lost answer makes it send the same UUID again: one purchase, and an error for the user."""
    sandbox.faults.add({"operation": "submit", "times": 1, "effect": {"kind": "lost_answer"}})
    name = str(uuid.uuid4())
    async with runware_sdk(sandbox, "rest") as client:
        with pytest.raises(RunwareError) as caught:
            await client.run(task(media, taskUUID=name))
        (details,) = await client.get_response({"taskUUID": name})
    assert (caught.value.code, caught.value.status_code) == ("validation", 400)
    assert details["taskUUID"] == name
    assert sandbox.counts().accepted("runware") == 1


async def test_runware_sdk_over_a_socket_survives_a_lost_answer(
    sandbox: Sandbox, media: Media
) -> None:
    """It reconnects, sends the same UUID, takes the conflict for an acknowledgement and waits."""
    sandbox.faults.add({"operation": "submit", "times": 1, "effect": {"kind": "lost_answer"}})
    async with runware_sdk(sandbox, "websocket") as client:
        (item,) = await asyncio.wait_for(client.run(task(media)), 60)
    assert item["videoURL"]
    assert sandbox.counts().accepted("runware") == 1
