"""AIMLAPI's wire: generations, the log, money. `aimlapi_schema.json` is a selection from its
published OpenAPI documents, in compact form.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Aimlapi, Media

SCHEMAS = json.loads((Path(__file__).parent / "aimlapi_schema.json").read_text(encoding="utf-8"))


def fits(document: Any, name: str) -> None:
    """Raises unless the document is what the vendor publishes."""
    jsonschema.validate(document, SCHEMAS[name], format_checker=jsonschema.FormatChecker())


# --- submitting and waiting ---------------------------------------------------------------------


def test_every_answer_fits_the_published_schema(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """Queued, generating, completed and error; the log, the usage."""
    sandbox.faults.add({"times": 1, "effect": {"kind": "stuck"}})
    sandbox.settings.aimlapi.slots = 0
    stuck = aimlapi.submit().json()["id"]
    bodies = [aimlapi.fetch(stuck).json()]
    sandbox.settings.aimlapi.slots = 2
    bodies.append(aimlapi.ended(aimlapi.submit().json()["id"]).json())
    bodies.append(aimlapi.fetch(stuck).json())
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "content"}})
    bodies.append(aimlapi.ended(aimlapi.submit().json()["id"]).json())
    for body in bodies:
        fits(body, "generation")
    assert [body["status"] for body in bodies] == ["queued", "completed", "generating", "error"]
    fits(aimlapi.logs(period="1h").json(), "logs")
    fits(aimlapi.logs("/v2/usage", period="1h").json(), "usage")


def test_the_price_comes_with_the_submission(aimlapi: Aimlapi) -> None:
    """Id, `queued`, and the credits that are held: 2,000,000 make a dollar."""
    answer = aimlapi.submit()
    body = answer.json()
    fits(body, "generation")
    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f-]{36}:bytedance/omnihuman/v1\.5", body["id"])
    assert body["status"] == "queued"
    assert body["meta"] == {"usage": {"credits_used": int(2 * 0.168 * 2_000_000)}}
    assert answer.headers["x-inference-id"] == body["id"]


def test_a_completed_generation_has_a_video_and_its_cost(
    aimlapi: Aimlapi, sandbox: Sandbox
) -> None:
    """The charge stands in the body and in headers."""
    answer = aimlapi.ended(aimlapi.submit().json()["id"])
    body = answer.json()
    assert body["status"] == "completed"
    assert aimlapi.http.get(body["video"]["url"]).status_code == 200
    assert body["meta"]["usage"]["credits_used"] == 672_000
    assert answer.headers["x-aimlapi-credits-used"] == "672000"
    assert float(answer.headers["x-aimlapi-usd-spent"]) == pytest.approx(0.336)
    assert float(sandbox.counts().charged_usd("aimlapi")) == pytest.approx(0.336)


def test_old_and_new_ids_and_words(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """The seeds' ids have `:` and `/`, newer ones 21 signs; both say the same things otherwise."""
    change = {
        "ids": "short",
        "usage": "tokens_used",
        "usage_when_completed": False,
        "nulls": True,
        "queued_word": "waiting",
        "running_word": "active",
        "submit_status": 201,
        "slots": 0,
    }
    sandbox.settings.change({"aimlapi": change})
    answer = aimlapi.submit()
    ticket = answer.json()["id"]
    assert answer.status_code == 201
    assert re.fullmatch(r"[A-Za-z0-9]{21}", ticket)
    assert answer.json()["meta"] == {"usage": {"tokens_used": 672_000}}
    assert answer.json()["video"] is answer.json()["error"] is None
    assert aimlapi.fetch(ticket).json()["status"] == "waiting"
    sandbox.faults.add({"effect": {"kind": "stuck"}})
    sandbox.settings.aimlapi.slots = 2
    stuck = aimlapi.submit().json()["id"]
    assert aimlapi.ended(ticket).json()["meta"] is None
    assert aimlapi.fetch(stuck).json()["status"] == "active"


def test_a_failed_generation_has_a_name_and_a_message(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """`error`, and the hold is rolled back."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "timeout"}})
    body = aimlapi.ended(aimlapi.submit().json()["id"]).json()
    assert body["status"] == "error"
    assert body["error"] == {"name": "GenerationTimeout", "message": "Generation timeout"}
    assert sandbox.counts().charged("aimlapi") == 0


def test_bad_media_fail_the_generation(aimlapi: Aimlapi, media: Media) -> None:
    """What cannot be fetched or read, and audio of 30 seconds and more."""
    cases = [
        ({"image_url": f"{media.sandbox.url}/media/none"}, "InvalidImage"),
        ({"audio_url": media.file(b"none")}, "InvalidAudio"),
        ({"audio_url": media.audio(30.0)}, "InvalidAudio"),
    ]
    for change, name in cases:
        body = aimlapi.ended(aimlapi.submit(aimlapi.input(**change)).json()["id"]).json()
        assert body["error"]["name"] == name


def test_the_image_may_be_base64(aimlapi: Aimlapi, media: Media) -> None:
    """Bare, or as a data URI."""
    image = base64.b64encode(media.portrait()).decode()
    for given in (image, f"data:image/png;base64,{image}"):
        ticket = aimlapi.submit(aimlapi.input(image_url=given)).json()["id"]
        assert aimlapi.ended(ticket).json()["status"] == "completed"


# --- refusals -----------------------------------------------------------------------------------


def refused(answer: Any, status: int, said: str) -> None:
    """The one form of a refusal, with the status as a text."""
    body = answer.json()
    assert answer.status_code == status
    assert set(body) == {"message", "path", "requestId", "statusCode", "timestamp"}
    assert body["statusCode"] == str(status)
    assert said in body["message"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "bytedance/nothing"}, "model: Expected"),
        ({"image_url": None}, "image_url: Expected string"),
        ({"audio_url": "data:audio/wav;base64,AAAA"}, "audio_url: Invalid url"),
        ({"prompt": "smile"}, "prompt: Unrecognized key"),
    ],
)
def test_bad_bodies_are_refused(
    aimlapi: Aimlapi, sandbox: Sandbox, change: dict[str, Any], said: str
) -> None:
    """400 with what was expected; nothing is bought."""
    answer = aimlapi.submit(aimlapi.input(**change))
    refused(answer, 400, "Body validation error!")
    assert said in answer.json()["message"]
    assert sandbox.counts().accepted() == 0


def test_missing_fields_and_nonsense_are_refused(aimlapi: Aimlapi) -> None:
    """Each missing field is named; a list is no object."""
    refused(
        aimlapi.submit({"model": aimlapi.model}), 400, "image_url: Required; audio_url: Required"
    )
    refused(aimlapi.submit([]), 400, "Expected object")


def test_a_wrong_key_is_refused(aimlapi: Aimlapi) -> None:
    """401, everywhere."""
    for answer in (
        aimlapi.submit(Authorization="Bearer wrong"),
        aimlapi.http.get(aimlapi.url, params={"generation_id": "x"}),
    ):
        refused(answer, 401, "requires a valid API key")


@pytest.mark.parametrize(
    ("reason", "said"), [("balance", "run out of credits"), ("suspended", "suspended")]
)
def test_an_account_without_credits_buys_nothing(
    aimlapi: Aimlapi, sandbox: Sandbox, reason: Any, said: str
) -> None:
    """403 until it is lifted."""
    sandbox.settings.aimlapi.blocked = reason
    refused(aimlapi.submit(), 403, said)
    sandbox.settings.aimlapi.blocked = None
    assert aimlapi.submit().status_code == 200


def test_an_unknown_id_is_not_found(aimlapi: Aimlapi) -> None:
    """404; without an id 400."""
    refused(aimlapi.fetch("none"), 404, "not found")
    refused(aimlapi.http.get(aimlapi.url, headers=aimlapi.headers), 400, "generation_id")


# --- correlation --------------------------------------------------------------------------------


def test_our_name_for_a_request_is_echoed_and_logged(aimlapi: Aimlapi) -> None:
    """`X-Client-Request-Id` comes back in the header and stands in the log."""
    answer = aimlapi.submit(**{"X-Client-Request-Id": "row-42:1"})
    assert answer.headers["x-client-request-id"] == "row-42:1"
    (row,) = aimlapi.logs(period="24h").json()["data"]
    assert row["client_request_id"] == "row-42:1"
    assert row["inference_id"] == answer.json()["id"]


@pytest.mark.parametrize("name", ["with space", "x" * 129, "söme"])
def test_a_name_of_another_form_is_silently_dropped(aimlapi: Aimlapi, name: str) -> None:
    """It is neither echoed nor logged, and the request goes through."""
    headers = [(key.encode(), value.encode()) for key, value in aimlapi.headers.items()]
    headers.append((b"X-Client-Request-Id", name.encode()))
    answer = aimlapi.http.post(aimlapi.url, json=aimlapi.input(), headers=headers)
    assert answer.status_code == 200
    assert "x-client-request-id" not in answer.headers
    assert aimlapi.logs(period="1h").json()["data"][0]["client_request_id"] is None


def test_the_name_protects_from_nothing(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """The same name and body again is a second purchase."""
    body = aimlapi.input()
    for _ in range(2):
        aimlapi.ended(aimlapi.submit(body, **{"X-Client-Request-Id": "same"}).json()["id"])
    (take,) = sandbox.counts().bought_twice()
    assert (take.accepted, take.charged) == (2, 2)
    rows = aimlapi.logs(period="1h").json()["data"]
    assert [row["client_request_id"] for row in rows] == ["same", "same"]


# --- the log ------------------------------------------------------------------------------------


def test_the_log_is_paged_newest_first(aimlapi: Aimlapi) -> None:
    """`limit` and `offset`, with the total and whether more follows."""
    tickets = [aimlapi.submit().json()["id"] for _ in range(5)]
    pages = [aimlapi.logs(period="1h", limit=2, offset=offset).json() for offset in (0, 2, 4)]
    found = [row["inference_id"] for page in pages for row in page["data"]]
    assert found == tickets[::-1]
    assert [page["pagination"]["has_more"] for page in pages] == [True, True, False]
    assert {page["pagination"]["total"] for page in pages} == {5}


def test_the_log_is_filtered_by_model_and_outcome(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """Filters repeat; a comma is part of a name."""
    older = aimlapi.input() | {"model": "bytedance/omnihuman"}
    rule = {"operation": "generate", "when": {"first": 1}, "effect": {"kind": "fails"}}
    sandbox.faults.add(rule)
    for body in (older, aimlapi.input()):
        aimlapi.ended(aimlapi.submit(body).json()["id"])

    def models(**filters: Any) -> list[str]:
        rows = aimlapi.logs(period="1h", **filters).json()["data"]
        return [row["model"].removeprefix("bytedance/") for row in rows]

    both = ["bytedance/omnihuman", "bytedance/omnihuman/v1.5"]
    assert models(model=both) == ["omnihuman/v1.5", "omnihuman"]
    assert models(model=",".join(both)) == []
    assert models(status="failed") == ["omnihuman"]
    assert models(status=["failed", "succeeded"]) == ["omnihuman/v1.5", "omnihuman"]
    refused(aimlapi.logs(period="1h", status="failed,succeeded"), 400, "status")


def test_a_window_is_a_period_or_two_moments(aimlapi: Aimlapi) -> None:
    """`start` and `end` bound the rows; without a zone they are UTC."""
    aimlapi.submit()
    now = datetime.now(UTC)

    def total(start: datetime, end: datetime, form: str) -> int:
        params = {"start": start.strftime(form), "end": end.strftime(form)}
        number: int = aimlapi.logs(**params).json()["pagination"]["total"]
        return number

    minute = timedelta(minutes=1)
    assert total(now - minute, now + minute, "%Y-%m-%dT%H:%M:%SZ") == 1
    assert total(now - minute, now + minute, "%Y-%m-%dT%H:%M:%S") == 1
    assert total(now - 3 * minute, now - 2 * minute, "%Y-%m-%dT%H:%M:%SZ") == 0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"period": "soon"},
        {"period": "0h"},
        {"period": "1h", "start": "2026-01-01T00:00:00Z"},
        {"start": "2026-01-01T00:00:00Z"},
        {"start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
        {"start": "2026-01-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"},
        {"start": "yesterday", "end": "2026-06-01T00:00:00Z"},
        {"period": "1h", "limit": "101"},
        {"period": "1h", "limit": "0"},
        {"period": "1h", "offset": "-1"},
    ],
)
def test_windows_and_pages_have_limits(aimlapi: Aimlapi, params: dict[str, str]) -> None:
    """400 for anything else."""
    assert aimlapi.logs(**params).status_code == 400


def test_running_jobs_may_be_missing_from_the_log(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """Listed at no cost, or not listed until they end: both by setting and by rule."""
    sandbox.settings.aimlapi.slots = 0
    ticket = aimlapi.submit().json()["id"]
    (row,) = aimlapi.logs(period="1h").json()["data"]
    assert row["cost"] == {"usd": 0, "credits": 0}
    sandbox.settings.aimlapi.logs_show_running = False
    assert aimlapi.logs(period="1h").json()["data"] == []
    sandbox.settings.aimlapi.logs_show_running = True
    sandbox.faults.add({"id": "hide", "effect": {"kind": "unlisted"}})
    assert aimlapi.logs(period="1h").json()["data"] == []
    sandbox.settings.aimlapi.slots = 1
    aimlapi.ended(ticket)
    (row,) = aimlapi.logs(period="1h").json()["data"]
    assert row["cost"] == {"usd": 0.336, "credits": 672_000}
    sandbox.faults.add({"id": "hide", "effect": {"kind": "unlisted", "running_only": False}})
    assert aimlapi.logs(period="1h").json()["data"] == []


def test_the_log_may_be_asked_so_often(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """Beyond the limit per minute it answers 429."""
    sandbox.settings.aimlapi.logs_per_minute = 1
    answers = [aimlapi.logs(period="1h").status_code for _ in range(2)]
    assert answers[-1] == 429


# --- money --------------------------------------------------------------------------------------


def test_the_books_agree(aimlapi: Aimlapi, sandbox: Sandbox) -> None:
    """Usage, balance and transactions tell of the same charge."""
    before = aimlapi.logs("/v2/billing").json()["balance"]
    ticket = aimlapi.submit().json()["id"]
    aimlapi.ended(ticket)
    sandbox.faults.add({"effect": {"kind": "fails"}})
    aimlapi.ended(aimlapi.submit().json()["id"])
    usage = aimlapi.logs("/v2/usage", period="1h").json()
    after = aimlapi.logs("/v2/billing").json()["balance"]
    (charge,) = aimlapi.logs("/v2/billing/transactions").json()["data"]
    assert (usage["spend"], usage["requests"]) == (pytest.approx(0.336), 1)
    assert before["usd"] - after["usd"] == pytest.approx(0.336)
    assert charge["reference_id"] == ticket
    assert aimlapi.logs("/v1/billing/balance").json()["balance"] == after["credits"]


def test_transactions_are_read_by_cursor(aimlapi: Aimlapi) -> None:
    """Each page names the next."""
    for _ in range(3):
        aimlapi.ended(aimlapi.submit().json()["id"])
    first = aimlapi.logs("/v2/billing/transactions", limit=2).json()
    second = aimlapi.logs("/v2/billing/transactions", limit=2, cursor=first["next_cursor"]).json()
    assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (2, 1, None)
