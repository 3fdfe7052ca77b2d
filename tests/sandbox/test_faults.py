"""The switchboard: each exchange gone wrong, each trigger, and that a run repeats itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from omnihuman_blocks.sandbox.faults import Faults, Moment

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Aimlapi, Fal, Media, Pixazo, Runware

# --- exchanges ----------------------------------------------------------------------------------


def test_too_many_requests_may_say_how_long(fal: Fal, sandbox: Sandbox) -> None:
    """429 without, with seconds, and with a date; nothing is bought."""
    for effect in ({}, {"retry_after": 7}, {"retry_after": 90, "as_date": True}):
        sandbox.faults.add({"id": "r", "effect": {"kind": "too_many_requests", **effect}})
        answer = fal.submit()
        assert answer.status_code == 429
        said = answer.headers.get("retry-after")
        if not effect:
            assert said is None
        elif "as_date" in effect:
            wait = parsedate_to_datetime(said) - datetime.now(UTC)
            assert 80 < wait.total_seconds() <= 91
        else:
            assert said == "7"
    assert sandbox.counts().accepted() == 0


def test_server_errors_have_two_forms_and_two_meanings(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """JSON or a proxy's page; before or after the purchase."""
    bought = 0
    for form, kind in (("json", "application/json"), ("html", "text/html")):
        for carried_out in (False, True):
            effect = {"kind": "server_error", "status": 502, "form": form}
            rule = {"id": "r", "effect": {**effect, "carried_out": carried_out}}
            sandbox.faults.add({**rule, "operation": "submit"})
            answer = pixazo.submit()
            bought += carried_out
            assert answer.status_code == 502
            assert answer.headers["content-type"].startswith(kind)
            assert ("<html>" in answer.text) == (form == "html")
            assert sandbox.counts().accepted("pixazo") == bought


@pytest.mark.parametrize(
    ("vendor", "path"),
    [("runware", ["errors", 0, "code"]), ("fal", ["detail"]), ("aimlapi", ["statusCode"])],
)
def test_refusals_speak_the_vendors_language(
    sandbox: Sandbox, request: pytest.FixtureRequest, vendor: str, path: list[Any]
) -> None:
    """The JSON of a 429 and of a 503 has the vendor's own form."""
    client: Any = request.getfixturevalue(vendor)
    for effect in ({"kind": "too_many_requests"}, {"kind": "server_error"}):
        sandbox.faults.add({"id": "r", "effect": effect})
        answer = client.post(client.task()) if vendor == "runware" else client.submit()
        found = answer.json()
        for step in path:
            found = found[step]
        assert isinstance(found, str)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("half", None),
        ("text", "upstream connect error"),
        ("empty", ""),
        ("list", "[]"),
        ("object", "{}"),
    ],
)
def test_answers_can_be_garbled(
    aimlapi: Aimlapi, sandbox: Sandbox, form: str, text: str | None
) -> None:
    """200, and a body that says nothing; the purchase was made."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "garbled", "form": form}})
    answer = aimlapi.submit()
    assert answer.status_code == 200
    if text is None:
        assert answer.text.startswith('{"id":')
        assert not answer.text.endswith("}")
    else:
        assert answer.text.startswith(text)
    assert sandbox.counts().accepted("aimlapi") == 1


def test_answers_can_be_slow(runware: Runware, sandbox: Sandbox) -> None:
    """The purchase is made at once, the answer takes its time."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "slow", "seconds": 0.3}})
    began = time.monotonic()
    assert runware.post(runware.task()).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_effects_add_up(runware: Runware, sandbox: Sandbox) -> None:
    """Slow, and then an error."""
    sandbox.faults.add({"effect": {"kind": "slow", "seconds": 0.2}})
    sandbox.faults.add({"effect": {"kind": "server_error", "carried_out": True}})
    began = time.monotonic()
    assert runware.post(runware.task()).status_code == 503
    assert time.monotonic() - began >= 0.2


def test_a_vendors_own_refusal_can_be_named(fal: Fal, runware: Runware, sandbox: Sandbox) -> None:
    """A code that is not common to all is used as it is, with the status that is wished."""
    effect = {"kind": "refused", "refusal": "environmentPaused", "status": 403}
    sandbox.faults.add({"effect": effect})
    answer = runware.post(runware.task())
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "environmentPaused")
    assert fal.submit().json() == {"detail": "environmentPaused"}


def test_status_and_result_fail_apart(fal: Fal, sandbox: Sandbox) -> None:
    """A rule for one operation leaves the others alone."""
    submitted = fal.submit().json()
    fal.result(submitted)
    sandbox.faults.add({"operation": "result", "effect": {"kind": "server_error", "form": "html"}})
    assert fal.get(submitted["status_url"]).status_code == 200
    assert fal.get(submitted["response_url"]).status_code == 503


def test_finished_jobs_can_be_forgotten(
    runware: Runware, fal: Fal, pixazo: Pixazo, aimlapi: Aimlapi, sandbox: Sandbox
) -> None:
    """Runware says nothing, the others 404; a running job is still known."""
    task = runware.task()
    runware.post(task)
    submitted, asked, ticket = fal.submit().json(), pixazo.submit().json(), aimlapi.submit().json()
    runware.ended(task["taskUUID"])
    fal.result(submitted)
    pixazo.ended(asked)
    aimlapi.ended(ticket["id"])
    sandbox.faults.add({"effect": {"kind": "forgotten"}})
    assert runware.ask(task["taskUUID"]).json() == {"data": []}
    assert fal.get(submitted["status_url"]).status_code == 404
    assert pixazo.get(asked["polling_url"]).status_code == 404
    assert aimlapi.fetch(ticket["id"]).status_code == 404
    sandbox.settings.runware.slots = 0
    waiting = runware.task()
    runware.post(waiting)
    assert runware.ask(waiting["taskUUID"]).json()["data"][0]["status"] == "processing"


def test_jobs_can_be_slow_or_stuck(fal: Fal, sandbox: Sandbox, until: Any) -> None:
    """A factor on the model's time; a job that never ends keeps its slot."""
    sandbox.settings.time_scale = 0.002
    sandbox.faults.add({"times": 1, "effect": {"kind": "slower", "factor": 20}})
    slow, usual = fal.submit().json(), fal.submit().json()
    times = [
        fal.get(body["status_url"]).json()["metrics"]["inference_time"]
        for body in (slow, usual)
        if fal.result(body).status_code == 200
    ]
    assert times[0] > 3 * times[1]
    sandbox.faults.replace([{"effect": {"kind": "stuck"}}])
    sandbox.settings.fal.slots = 1
    stuck, behind = fal.submit().json(), fal.submit().json()
    until(lambda: fal.get(stuck["status_url"]).json()["status"] == "IN_PROGRESS")
    assert fal.get(behind["status_url"]).json()["status"] == "IN_QUEUE"


def test_a_failure_can_come_late_or_at_once(fal: Fal, sandbox: Sandbox) -> None:
    """`after` is a share of the model's time."""
    sandbox.settings.time_scale = 0.02
    sandbox.settings.generation.jitter = 0
    took = []
    for after in (0.0, 1.0):
        sandbox.faults.add({"id": "r", "effect": {"kind": "fails", "after": after}})
        body = fal.submit().json()
        fal.result(body)
        took.append(fal.get(body["status_url"]).json()["metrics"]["inference_time"])
    assert took[0] < 0.6 * took[1]


# --- triggers -----------------------------------------------------------------------------------


def struck(faults: Faults, moments: list[Moment]) -> list[bool]:
    return [bool(faults.effects(moment)) for moment in moments]


def moment(**known: Any) -> Moment:
    return Moment(**{"vendor": "fal", "operation": "submit", **known})


def test_triggers_count_the_moments_they_are_about() -> None:
    """Every nth, the first k, after some, at most so often."""
    ten = [moment() for _ in range(10)]
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"when": {"every": 3}}, [2, 5, 8]),
        ({"when": {"first": 2}}, [0, 1]),
        ({"when": {"skip": 7}}, [7, 8, 9]),
        ({"when": {"skip": 1, "first": 2}}, [1, 2]),
        ({"times": 3}, [0, 1, 2]),
        ({"when": {"every": 2}, "times": 2}, [1, 3]),
        ({"enabled": False}, []),
    ]
    for rule, expected in cases:
        faults = Faults([{"effect": {"kind": "slow"}, **rule}])
        assert [n for n, hit in enumerate(struck(faults, ten)) if hit] == expected


def test_triggers_look_at_the_job() -> None:
    """Vendor, operation, ticket, our name for it, content, and the digest of a medium."""
    digest = "ab" * 32
    full = moment(
        ticket="t", client_id="c", fingerprint="f", media=frozenset((digest,)), purchases=4
    )
    hits: list[dict[str, Any]] = [
        {},
        {"vendor": "fal"},
        {"operation": "submit"},
        {"when": {"ticket": "t"}},
        {"when": {"client_id": "c"}},
        {"when": {"fingerprint": "f"}},
        {"when": {"media": digest}},
        {"when": {"media": digest[:12]}},
        {"when": {"after_purchases": 4}},
    ]
    misses: list[dict[str, Any]] = [
        {"vendor": "runware"},
        {"operation": "status"},
        {"when": {"ticket": "x"}},
        {"when": {"client_id": "x"}},
        {"when": {"fingerprint": "x"}},
        {"when": {"media": "cd" * 32}},
        {"when": {"after_purchases": 5}},
        {"when": {"ticket": "t", "client_id": "x"}},
    ]
    for rules, expected in ((hits, True), (misses, False)):
        for rule in rules:
            assert struck(Faults([{"effect": {"kind": "slow"}, **rule}]), [full]) == [expected]


def test_a_refusal_without_an_operation_is_about_buying() -> None:
    """An account that may not buy may still ask."""
    faults = Faults([{"effect": {"kind": "refused"}}])
    operations = ("submit", "upload", "status", "result", "download")
    hits = struck(faults, [moment(operation=operation) for operation in operations])
    assert hits == [True, True, False, False, False]


def test_dice_repeat_themselves_in_any_order() -> None:
    """With the same seed the same contents are struck, however their requests are mixed."""
    rule = {"id": "r", "when": {"probability": 0.5}, "effect": {"kind": "slow"}, "seed": 3}
    moments = [moment(fingerprint=f"f{n % 20}") for n in range(60)]
    there = Faults([rule])
    back = Faults([rule])
    one = sorted((str(each.fingerprint), bool(there.effects(each))) for each in moments)
    two = sorted((str(each.fingerprint), bool(back.effects(each))) for each in reversed(moments))
    other = struck(Faults([{**rule, "seed": 4}]), moments)
    assert one == two
    assert 10 < sum(hit for _, hit in one) < 50
    assert other != struck(Faults([rule]), moments)


def test_the_nth_purchase_blocks_the_account_until_it_is_lifted(
    pixazo: Pixazo, sandbox: Sandbox
) -> None:
    """Two are sold, the third is refused, and after lifting it is sold."""
    rule = {"id": "broke", "when": {"after_purchases": 2}, "effect": {"kind": "refused"}}
    sandbox.faults.add(rule)
    assert [pixazo.submit().status_code for _ in range(4)] == [202, 202, 402, 402]
    sandbox.faults.remove("broke")
    assert pixazo.submit().status_code == 202
    assert sandbox.counts().faults == {}


def test_a_medium_picks_its_job(fal: Fal, media: Media, sandbox: Sandbox) -> None:
    """Only the job with this audio fails."""
    body = fal.input()
    marked = fal.input(audio_url=media.audio(3.0))
    fal.submit(marked)
    digest = sandbox.counts().purchases[0].audio_sha256
    assert digest is not None
    sandbox.faults.add({"when": {"media": digest}, "effect": {"kind": "fails"}})
    assert fal.result(fal.submit(body).json()).status_code == 200
    assert fal.result(fal.submit(marked).json()).status_code == 500


def test_struck_rules_are_counted(runware: Runware, sandbox: Sandbox) -> None:
    """The counts say how often each rule struck."""
    sandbox.faults.add({"id": "r", "when": {"every": 2}, "effect": {"kind": "server_error"}})
    for _ in range(5):
        runware.post(runware.task())
    assert sandbox.counts().faults == {"r": 2}


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        {"effect": {"kind": "nonsense"}},
        {"effect": {"kind": "slow", "colour": 1}},
        {"effect": {"kind": "slow"}, "colour": 1},
        {"effect": {"kind": "slow"}, "vendor": "nobody"},
        {"effect": {"kind": "expired"}, "operation": "submit"},
        {"effect": {"kind": "slow"}, "when": {"probability": 2}},
    ],
)
def test_rules_that_mean_nothing_are_refused(rule: dict[str, Any]) -> None:
    """A misspelt rule does not pass for one that never strikes."""
    with pytest.raises(ValidationError):
        Faults([rule])


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    """A list, or an object with `rules`."""
    file = tmp_path / "faults.json"
    for text in ('[{"effect": {"kind": "slow"}}]', '{"rules": [{"effect": {"kind": "slow"}}]}'):
        file.write_text(text, encoding="utf-8")
        (rule,) = Faults.from_file(file).rules
        assert rule.id == "rule-1"


def test_a_rule_with_the_same_id_is_replaced() -> None:
    """So that a rule can be changed in place."""
    faults = Faults()
    faults.add({"id": "r", "effect": {"kind": "slow"}})
    faults.add({"id": "r", "effect": {"kind": "stuck"}})
    assert [rule.effect.kind for rule in faults.rules] == ["stuck"]
    assert faults.remove("r")
    assert not faults.remove("r")
