"""Whatever is sent, each wire answers in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.sandbox.conftest import Aimlapi, Fal, Pixazo, Runware

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["bytedance:5@1", "bytedance:5@2", "720p", "data:,", "http://[", "fast"])
)
NAMES = st.sampled_from(
    [
        *("model", "inputs", "image", "audio", "referenceImages", "taskUUID", "safety", "mode"),
        *("image_url", "audio_url", "mask_url", "resolution", "turbo_mode", "prompt", "seed"),
        *(
            "numberResults",
            "webhookURL",
            "ttl",
            "outputFormat",
            "operation",
            "media",
            "checkContent",
        ),
    ]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
TASKS = st.builds(
    lambda kind, rest: {
        "taskUUID": "0f9b3f5e-8a51-4c0b-9a31-0d3c3f8a6d11",
        **rest,
        "taskType": kind,
    },
    st.sampled_from(
        [
            *("videoInference", "getResponse", "getTaskDetails", "mediaStorage", "imageUpload"),
            *("accountManagement", "ping", None),
        ]
    ),
    st.dictionaries(NAMES, VALUES, max_size=8),
)
QUIETLY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUIETLY
@given(tasks=st.lists(TASKS | VALUES, min_size=1, max_size=3))
def test_runware_answers_any_tasks(runware: Runware, tasks: list[Any]) -> None:
    """With data, with errors, or with both."""
    answer = runware.post(*tasks)
    assert answer.status_code in (200, 400)
    assert set(answer.json()) <= {"data", "errors"}


@QUIETLY
@given(body=VALUES)
def test_fal_accepts_any_body(fal: Fal, body: Any) -> None:
    """The queue takes it; the model's answer is no accident."""
    answer = fal.submit({"": body} if body is None else body)
    assert answer.status_code == 200
    assert fal.result(answer.json()).status_code in (200, 422)


@QUIETLY
@given(body=VALUES.filter(lambda body: body is not None))
def test_pixazo_refuses_any_nonsense(pixazo: Pixazo, body: Any) -> None:
    """400 with a sentence, or 202."""
    answer = pixazo.submit(body)
    assert answer.status_code in (202, 400)


@QUIETLY
@given(body=VALUES.filter(lambda body: body is not None))
def test_aimlapi_refuses_any_nonsense(aimlapi: Aimlapi, body: Any) -> None:
    """400 in the one form, or 200."""
    answer = aimlapi.submit(body)
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert answer.json()["statusCode"] == "400"
