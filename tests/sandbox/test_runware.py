"""Runware's wire, as its clients meet it over HTTP."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Heard, Listener, Media, Runware

# --- submitting and waiting ---------------------------------------------------------------------


def test_the_acknowledgement_is_an_echo(runware: Runware) -> None:
    """A submission is answered with type and UUID: no status, no cost."""
    task = runware.task()
    answer = runware.post(task)
    assert answer.status_code == 200
    assert answer.json() == {"data": [{"taskType": "videoInference", "taskUUID": task["taskUUID"]}]}


def test_a_job_is_processing_and_then_a_video(runware: Runware, sandbox: Sandbox) -> None:
    """It waits for a slot as `processing`, and ends with the address of a file."""
    sandbox.settings.runware.slots = 0
    task = runware.task()
    runware.post(task)
    waiting = runware.ask(task["taskUUID"]).json()
    sandbox.settings.runware.slots = 1
    (item,) = runware.ended(task["taskUUID"])["data"]
    echo = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
    assert waiting == {"data": [{**echo, "status": "processing"}]}
    assert item["status"] == "success"
    assert uuid.UUID(item["videoUUID"]).version == 4
    assert isinstance(item["seed"], int)
    video = runware.http.get(item["videoURL"])
    assert video.headers["content-type"] == "video/mp4"
    assert b'"seconds": 2.0' in video.content


def test_progress_is_told_or_not(runware: Runware, sandbox: Sandbox) -> None:
    """`progress` is a whole number while a job works, and can be switched off."""
    sandbox.faults.add({"effect": {"kind": "stuck"}})
    task = runware.task()
    runware.post(task)
    (item,) = runware.ask(task["taskUUID"]).json()["data"]
    sandbox.settings.runware.progress = False
    (silent,) = runware.ask(task["taskUUID"]).json()["data"]
    assert item["progress"] == 0
    assert "progress" not in silent


def test_cost_and_safety_are_told_to_those_who_ask(runware: Runware) -> None:
    """`cost` comes with `includeCost`, `NSFWContent` with a safety check, neither otherwise."""
    plain, full = runware.task(), runware.task(includeCost=True, safety={"checkContent": True})
    runware.post(plain, full)
    (silent,) = runware.ended(plain["taskUUID"])["data"]
    (told,) = runware.ended(full["taskUUID"])["data"]
    assert not {"cost", "NSFWContent"} & set(silent)
    assert told["cost"] == pytest.approx(2 * 0.1325)
    assert told["NSFWContent"] is False


def test_the_older_model_has_its_own_price_and_both_forms_of_input(
    runware: Runware, media: Media
) -> None:
    """`bytedance:5@1` takes `inputs`, and the form of October 2025."""
    newer = runware.task("bytedance:5@1", includeCost=True)
    older = runware.task("bytedance:5@1")
    del older["inputs"]
    older |= {"referenceImages": [media.image()], "inputAudios": [media.audio()]}
    runware.post(newer, older)
    (item,) = runware.ended(newer["taskUUID"])["data"]
    assert item["cost"] == pytest.approx(2 * 0.0968)
    assert runware.ended(older["taskUUID"])["data"][0]["status"] == "success"


def test_several_results_are_several_items(runware: Runware) -> None:
    """`numberResults` gives as many videos, each with its own UUID, seed and share of the cost."""
    task = runware.task(numberResults=3, includeCost=True, seed=40)
    runware.post(task)
    items = runware.ended(task["taskUUID"])["data"]
    assert [item["seed"] for item in items] == [40, 41, 42]
    assert len({item["videoUUID"] for item in items}) == 3
    assert sum(item["cost"] for item in items) == pytest.approx(3 * 2 * 0.1325)


def test_polls_are_cumulative(runware: Runware) -> None:
    """A finished item is said again on every later poll, with the same address."""
    task = runware.task()
    runware.post(task)
    first = runware.ended(task["taskUUID"])
    assert runware.ask(task["taskUUID"]).json() == first


def test_the_container_follows_the_wish(runware: Runware) -> None:
    """`outputFormat` decides the container and the name of the file."""
    task = runware.task(outputFormat="WEBM")
    runware.post(task)
    (item,) = runware.ended(task["taskUUID"])["data"]
    video = runware.http.get(item["videoURL"])
    assert item["videoURL"].endswith(".webm")
    assert video.headers["content-type"] == "video/webm"
    assert b'"container": "webm"' in video.content


# --- what is not known, and what is known already -----------------------------------------------


def test_an_unknown_uuid_looks_like_a_running_one(runware: Runware) -> None:
    """Nobody can tell "never arrived" from "queued": 200 and no data."""
    answer = runware.ask(str(uuid.uuid4()))
    assert (answer.status_code, answer.json()) == (200, {"data": []})


def test_a_uuid_buys_once(runware: Runware, sandbox: Sandbox) -> None:
    """The same body again is refused with 400 `conflictTaskUUID`, and is not bought."""
    task = runware.task()
    runware.post(task)
    again = runware.post(task)
    assert again.status_code == 400
    assert again.json()["data"] == []
    (error,) = again.json()["errors"]
    assert (error["code"], error["taskUUID"]) == ("conflictTaskUUID", task["taskUUID"])
    assert sandbox.counts().accepted("runware") == 1


def test_details_after_a_conflict_are_a_trap(runware: Runware) -> None:
    """`getTaskDetails` archives the last answer: after a rejected duplicate, the rejection."""
    task = runware.task()
    runware.post(task)
    runware.ended(task["taskUUID"])
    (before,) = runware.ask(task["taskUUID"], "getTaskDetails").json()["data"]
    runware.post(task)
    (after,) = runware.ask(task["taskUUID"], "getTaskDetails").json()["data"]
    assert before["request"] == [task]
    assert before["response"]["data"][0]["status"] == "success"
    assert after["response"]["errors"][0]["code"] == "conflictTaskUUID"
    assert runware.ask(task["taskUUID"]).json()["data"][0]["status"] == "success"


def test_a_finished_uuid_can_be_forgotten(runware: Runware, sandbox: Sandbox) -> None:
    """Told to forget, it answers as for an unknown UUID, and sells it again."""
    task = runware.task()
    runware.post(task)
    runware.ended(task["taskUUID"])
    sandbox.settings.runware.forgets_finished_after = 0.0
    assert runware.ask(task["taskUUID"]).json() == {"data": []}
    assert runware.post(task).status_code == 200
    assert sandbox.counts().accepted("runware") == 2


# --- batches ------------------------------------------------------------------------------------


def test_tasks_of_one_request_fail_each_for_itself(runware: Runware) -> None:
    """A mixed batch carries data and errors, with 200."""
    good, bad = runware.task(), runware.task(outputQuality=5)
    answer = runware.post(good, bad)
    assert answer.status_code == 200
    assert [item["taskUUID"] for item in answer.json()["data"]] == [good["taskUUID"]]
    assert [error["taskUUID"] for error in answer.json()["errors"]] == [bad["taskUUID"]]


def test_several_polls_share_one_request(runware: Runware, sandbox: Sandbox) -> None:
    """Several `getResponse` tasks in one array are answered together, good and bad."""
    good, bad = runware.task(), runware.task()
    rule = {"when": {"ticket": bad["taskUUID"]}, "effect": {"kind": "fails"}}
    sandbox.faults.add(rule)
    runware.post(good, bad)
    runware.ended(good["taskUUID"])
    runware.ended(bad["taskUUID"])
    polls = [{"taskType": "getResponse", "taskUUID": task["taskUUID"]} for task in (good, bad)]
    body = runware.post(*polls).json()
    assert [item["status"] for item in body["data"]] == ["success"]
    assert [error["taskUUID"] for error in body["errors"]] == [bad["taskUUID"]]


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "parameter"),
    [
        ({"model": None}, "missingModel", "model"),
        ({"model": "bytedance:9@9"}, "invalidModel", "model"),
        ({"taskUUID": None}, "missingTaskUUID", "taskUUID"),
        ({"taskUUID": "not-a-uuid"}, "invalidTaskUUID", "taskUUID"),
        ({"inputs": None}, "missingInputs", "inputs"),
        ({"inputs": {"image": "x"}}, "missingAudio", "inputs.audio"),
        (
            {"inputs": {"image": "x", "audio": "y", "referenceImages": ["x"]}},
            "unsupportedParameter",
            "inputs.referenceImages",
        ),
        ({"outputQuality": 100}, "valueTooLarge", "outputQuality"),
        ({"outputQuality": 19}, "valueTooSmall", "outputQuality"),
        ({"numberResults": 5}, "valueTooLarge", "numberResults"),
        ({"ttl": 59}, "valueTooSmall", "ttl"),
        ({"ttl": "60"}, "invalidTtl", "ttl"),
        ({"outputFormat": "AVI"}, "invalidOutputFormat", "outputFormat"),
        ({"deliveryMethod": "sync"}, "invalidDeliveryMethod", "deliveryMethod"),
        ({"webhookURL": "ftp://x"}, "invalidWebhookURL", "webhookURL"),
        ({"includeCost": "yes"}, "invalidIncludeCost", "includeCost"),
        ({"safety": {"mode": "hard"}}, "invalidMode", "safety.mode"),
        ({"safety": {"colour": 1}}, "unknownParameter", "safety.colour"),
        ({"positivePrompt": 3}, "invalidPositivePrompt", "positivePrompt"),
        ({"width": 720}, "unsupportedParameter", "width"),
    ],
)
def test_each_field_is_checked_at_submission(
    runware: Runware, sandbox: Sandbox, change: dict[str, Any], code: str, parameter: str
) -> None:
    """A bad field is refused with 400, named, and nothing is bought."""
    task = {name: value for name, value in runware.task(**change).items() if value is not None}
    answer = runware.post(task)
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert (error["code"], error["parameter"]) == (code, parameter)
    assert error["taskType"] == "videoInference"
    assert sandbox.counts().accepted() == 0


def test_the_older_model_wants_exactly_one_image(runware: Runware, media: Media) -> None:
    """`referenceImages` is an array of one."""
    task = runware.task("bytedance:5@1")
    task["inputs"]["referenceImages"] *= 2
    (error,) = runware.post(task).json()["errors"]
    assert (error["code"], error["parameter"]) == ("arrayTooLarge", "inputs.referenceImages")


def test_only_arrays_of_tasks_are_understood(runware: Runware, sandbox: Sandbox) -> None:
    """A single object, an empty array and something that is no JSON are refused."""
    url = f"{sandbox.url}/runware/v1"
    headers = {"Authorization": f"Bearer {sandbox.settings.runware.key}"}
    for body in (b'{"taskType":"ping"}', b"[]", b"[1]", b"not json"):
        answer = runware.http.post(url, content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "invalidRequestBody"


def test_an_unknown_task_type_is_refused(runware: Runware) -> None:
    """So is a task without a type."""
    answer = runware.post({"taskType": "imageInference"}, {})
    codes = [error["code"] for error in answer.json()["errors"]]
    assert codes == ["unsupportedTaskType", "missingTaskType"]


def test_a_wrong_key_is_refused_in_the_documented_words(runware: Runware) -> None:
    """401 with `invalidApiKey`; without any key `missingApiKey`."""
    answer = runware.post(runware.task(), key="wrong")
    assert answer.status_code == 401
    assert answer.json() == {
        "errors": [
            {
                "code": "invalidApiKey",
                "message": "Invalid API key. Get one at https://runware.ai/signup",
                "parameter": "apiKey",
                "taskType": "authentication",
            }
        ]
    }
    bare = runware.http.post(f"{runware.sandbox.url}/runware/v1", json=[runware.task()])
    assert bare.status_code == 401
    assert bare.json()["errors"][0]["code"] == "missingApiKey"


def test_the_key_may_come_as_the_first_task(runware: Runware, sandbox: Sandbox) -> None:
    """An authentication task in the array does instead of the header."""
    url, task = f"{sandbox.url}/runware/v1", runware.task()
    hello = {"taskType": "authentication", "apiKey": sandbox.settings.runware.key}
    assert runware.http.post(url, json=[hello, task]).status_code == 200
    hello["apiKey"] = "wrong"
    assert runware.http.post(url, json=[hello, task]).status_code == 401


def test_only_post_is_served(runware: Runware, sandbox: Sandbox) -> None:
    """There is one path and one method."""
    assert runware.http.get(f"{sandbox.url}/runware/v1").status_code == 405


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [("balance", 402, "insufficientCredits"), ("suspended", 403, "accountSuspended")],
)
def test_a_blocked_account_buys_nothing_until_it_is_lifted(
    runware: Runware, sandbox: Sandbox, reason: str, status: int, code: str
) -> None:
    """A block refuses every purchase; polls go on; without the block it sells again."""
    before = runware.task()
    runware.post(before)
    rule = {"id": "block", "vendor": "runware", "effect": {"kind": "refused", "refusal": reason}}
    sandbox.faults.add(rule)
    answer = runware.post(runware.task())
    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == code
    assert runware.ended(before["taskUUID"])["data"][0]["status"] == "success"
    sandbox.faults.remove("block")
    assert runware.post(runware.task()).status_code == 200
    assert sandbox.counts().accepted("runware") == 2


# --- failures -----------------------------------------------------------------------------------


def test_a_failed_job_appears_beside_the_data(runware: Runware, sandbox: Sandbox) -> None:
    """The failure is an entry of `errors`, with 200 and empty data."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "timeout"}})
    task = runware.task()
    runware.post(task)
    answer = runware.ended(task["taskUUID"])
    assert answer["data"] == []
    (error,) = answer["errors"]
    assert (error["code"], error["status"]) == ("timeoutProvider", "error")
    assert error["taskUUID"] == task["taskUUID"]


def test_a_failed_job_can_be_an_item(runware: Runware, sandbox: Sandbox) -> None:
    """The newer form: an item with `status: error`."""
    sandbox.settings.runware.failures = "item"
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "content"}})
    task = runware.task()
    runware.post(task)
    body = runware.ended(task["taskUUID"])
    (item,) = body["data"]
    assert "errors" not in body
    assert item["status"] == "error"
    assert item["error"]["code"] == "providerContentPolicyViolation"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("content", "providerContentPolicyViolation"),
        ("internal", "inferenceError"),
        ("unavailable", "providerUnavailable"),
        ("nsfwContentDetected", "nsfwContentDetected"),
    ],
)
def test_failures_have_names(runware: Runware, sandbox: Sandbox, name: str, code: str) -> None:
    """The common names are translated, the vendor's own codes are taken as they are."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": name}})
    task = runware.task()
    runware.post(task)
    assert runware.ended(task["taskUUID"])["errors"][0]["code"] == code


def test_bad_media_fail_the_job(runware: Runware, media: Media) -> None:
    """What cannot be fetched or decoded, or is against the older model's limits, fails later."""
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("bytedance:5@2", {"image": media.file(b"no image"), "audio": media.audio()}, "invalid"),
        ("bytedance:5@2", {"image": media.image(), "audio": media.file(b"none")}, "invalid"),
        (
            "bytedance:5@2",
            {"image": f"{media.sandbox.url}/media/none", "audio": media.audio()},
            "downloadFailed",
        ),
        (
            "bytedance:5@1",
            {"referenceImages": [media.image()], "audio": media.audio(30.5)},
            "valueTooLarge",
        ),
        (
            "bytedance:5@1",
            {"referenceImages": [media.image(width=299)], "audio": media.audio()},
            "valueTooSmall",
        ),
    ]
    for model, inputs, code in cases:
        task = runware.task(model, inputs=inputs)
        assert runware.post(task).status_code == 200
        (error,) = runware.ended(task["taskUUID"])["errors"]
        assert error["code"].startswith(code)


def test_audio_of_exactly_thirty_seconds_is_taken(runware: Runware, media: Media) -> None:
    """The older model's limit is included."""
    inputs = {"referenceImages": [media.image()], "audio": media.audio(30.0)}
    task = runware.task("bytedance:5@1", inputs=inputs)
    runware.post(task)
    assert runware.ended(task["taskUUID"])["data"][0]["status"] == "success"


# --- media --------------------------------------------------------------------------------------


def test_uploaded_media_are_used_by_their_uuid(runware: Runware, media: Media) -> None:
    """`mediaStorage` takes base64, data URIs and addresses; its UUIDs are inputs."""
    image = base64.b64encode(media.portrait()).decode()
    audio = "data:audio/wav;base64," + base64.b64encode(media.voice(3.0)).decode()
    uploads = [
        {"taskType": "mediaStorage", "taskUUID": str(uuid.uuid4()), "operation": "upload"}
        | {"media": source}
        for source in (image, audio, media.image())
    ]
    stored = runware.post(*uploads).json()["data"]
    assert {item["operation"] for item in stored} == {"upload"}
    assert runware.http.get(stored[0]["mediaURL"]).content == media.portrait()
    inputs = {"image": stored[0]["mediaUUID"], "audio": stored[1]["mediaUUID"]}
    task = runware.task(inputs=inputs, includeCost=True)
    runware.post(task)
    assert runware.ended(task["taskUUID"])["data"][0]["cost"] == pytest.approx(3 * 0.1325)


def test_deleted_media_are_gone(runware: Runware, media: Media) -> None:
    """After `delete` the address is dead, and a second delete finds nothing."""
    upload = {
        "taskType": "mediaStorage",
        "taskUUID": str(uuid.uuid4()),
        "operation": "upload",
        "media": media.image(),
    }
    (stored,) = runware.post(upload).json()["data"]
    delete = {"taskType": "mediaStorage", "taskUUID": str(uuid.uuid4()), "operation": "delete"}
    delete["mediaUUID"] = stored["mediaUUID"]
    (gone,) = runware.post(delete).json()["data"]
    assert gone["mediaUUID"] == stored["mediaUUID"]
    assert runware.http.get(stored["mediaURL"]).status_code == 404
    assert runware.post(delete).json()["errors"][0]["code"] == "mediaNotFound"


def test_the_older_upload_is_for_images(runware: Runware, media: Media) -> None:
    """`imageUpload` answers with `imageUUID` and `imageURL`."""
    upload = {
        "taskType": "imageUpload",
        "taskUUID": str(uuid.uuid4()),
        "image": base64.b64encode(media.portrait()).decode(),
    }
    (stored,) = runware.post(upload).json()["data"]
    assert runware.http.get(stored["imageURL"]).content == media.portrait()


def test_bad_uploads_are_refused(runware: Runware, sandbox: Sandbox) -> None:
    """Nothing, no base64 and a dead address are told apart from a success."""
    task = {"taskType": "mediaStorage", "taskUUID": str(uuid.uuid4()), "operation": "upload"}
    for media, code in (
        (None, "missingMedia"),
        ("!!", "uploadFailed"),
        (f"{sandbox.url}/media/none", "uploadFailed"),
    ):
        answer = runware.post(task | {"media": media})
        assert answer.json()["errors"][0]["code"] == code


def test_inputs_may_be_data_uris_and_base64(runware: Runware, media: Media) -> None:
    """An image needs no address."""
    image = base64.b64encode(media.portrait()).decode()
    for given in (image, f"data:image/png;base64,{image}"):
        task = runware.task(inputs={"image": given, "audio": media.audio()})
        runware.post(task)
        assert runware.ended(task["taskUUID"])["data"][0]["status"] == "success"


# --- account ------------------------------------------------------------------------------------


def test_the_balance_falls_with_what_was_bought(runware: Runware) -> None:
    """`accountManagement` says what is left."""
    ask = {
        "taskType": "accountManagement",
        "taskUUID": str(uuid.uuid4()),
        "operation": "getDetails",
    }
    (before,) = runware.post(ask).json()["data"]
    task = runware.task()
    runware.post(task)
    runware.ended(task["taskUUID"])
    (after,) = runware.post(ask).json()["data"]
    assert before["balance"] - after["balance"] == pytest.approx(2 * 0.1325)


# --- calling back -------------------------------------------------------------------------------


def test_each_result_is_called_back_as_a_flat_task(runware: Runware, listener: Listener) -> None:
    """A webhook is the task object itself, one per result."""
    task = runware.task(numberResults=2, webhookURL=f"{listener.url}?job=1", includeCost=True)
    runware.post(task)
    calls = listener.wait(2)
    items = runware.ended(task["taskUUID"])["data"]
    assert sorted(call.json["videoUUID"] for call in calls) == sorted(
        item["videoUUID"] for item in items
    )
    assert all(call.path == "/hook?job=1" for call in calls)
    assert all(call.json["taskUUID"] == task["taskUUID"] for call in calls)


def test_the_result_is_put_where_the_client_wants_it(runware: Runware, listener: Listener) -> None:
    """`uploadEndpoint` gets the raw bytes of the video."""
    task = runware.task(uploadEndpoint=f"http://127.0.0.1:{listener.port}/bucket/a.mp4?sig=1")
    runware.post(task)
    (call,) = listener.wait()
    (item,) = runware.ended(task["taskUUID"])["data"]
    assert (call.method, call.path) == ("PUT", "/bucket/a.mp4?sig=1")
    assert call.headers["content-type"] == "video/mp4"
    assert call.body == runware.http.get(item["videoURL"]).content


def test_a_callback_is_tried_again(runware: Runware, listener: Listener) -> None:
    """A receiver that answers 500 is called again, after a pause."""
    listener.statuses = [500, 500]
    task = runware.task(webhookURL=listener.url)
    runware.post(task)
    calls: list[Heard] = listener.wait(3)
    assert [call.json for call in calls] == [calls[0].json] * 3
    assert calls[1].moment - calls[0].moment > 0.15


def test_the_life_of_an_address_is_the_clients_wish(runware: Runware) -> None:
    """`ttl` is accepted from 60 seconds on, and the address lives that long."""
    task = runware.task(ttl=60)
    runware.post(task)
    (item,) = runware.ended(task["taskUUID"])["data"]
    assert runware.http.get(item["videoURL"]).status_code == 200
