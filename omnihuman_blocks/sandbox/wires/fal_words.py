"""fal's words: refusals of the queue, and the two families of errors behind a result address."""

from __future__ import annotations

from collections.abc import Mapping

from omnihuman_blocks.sandbox.answers import Answer, Json
from omnihuman_blocks.sandbox.effects import Fails
from omnihuman_blocks.sandbox.job import Failure, Problem

ERRORS_PAGE = "https://docs.fal.ai/errors/#"
LOCKED = "User is locked. Reason: "
REFUSALS: Mapping[str, tuple[int, str]] = {
    "rate": (429, "Too many requests. Please slow down."),
    "unavailable": (503, "Service unavailable"),
    "balance": (
        403,
        f"{LOCKED}Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
    ),
    "key": (401, "No user found for Key ID and Secret"),
    "suspended": (403, f"{LOCKED}Admin lock. Please contact support@fal.ai"),
}

ALIASES = {
    "content": "content_policy_violation",
    "internal": "internal_server_error",
    "timeout": "generation_timeout",
    "unavailable": "downstream_service_unavailable",
}
# Kind -> HTTP status of the result, and whether fal calls it worth another try.
MODEL_ERRORS: Mapping[str, tuple[int, bool]] = {
    "internal_server_error": (500, True),
    "generation_timeout": (504, True),
    "downstream_service_error": (400, True),
    "downstream_service_unavailable": (500, True),
}
REQUEST_ERRORS: Mapping[str, int] = {
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_connection_timeout": 503,
    "runner_disconnected": 503,
    "runner_connection_refused": 503,
    "runner_connection_error": 503,
    "runner_incomplete_response": 502,
    "runner_server_error": 500,
    "client_disconnected": 499,
    "client_cancelled": 499,
    "bad_request": 400,
    "internal_error": 500,
}
SENTENCES: Mapping[str, str] = {
    "content_policy_violation": "The content could not be processed because it contained "
    "material flagged by a content checker.",
    "internal_server_error": "The model met an unexpected error.",
    "generation_timeout": "The generation took too long.",
    "downstream_service_error": "The service behind this model refused the request.",
    "downstream_service_unavailable": "The service behind this model is not available.",
    "request_timeout": "Request timed out",
    "client_cancelled": "Request was cancelled",
}


def refusal(name: str, *, status: int | None = None) -> Answer:
    """A no to a request: a sentence under `detail`."""
    default, detail = REFUSALS.get(name, (400, name))
    return Answer(status=status or default, body={"detail": detail})


def failure(fails: Fails) -> Failure:
    """A failure that was asked for by name."""
    kind = ALIASES.get(fails.failure, fails.failure)
    message = fails.message or SENTENCES.get(kind, kind.replace("_", " ").capitalize())
    if kind in REQUEST_ERRORS:
        return request_error(kind, message, charged=fails.charged)
    status, retryable = MODEL_ERRORS.get(kind, (422, False))
    if fails.retryable is not None:
        retryable = fails.retryable
    item = {"loc": ["body"], "msg": message, "type": kind}
    return model_error(item, status=status, retryable=retryable, charged=fails.charged)


def model_error(
    item: Mapping[str, Json], *, status: int = 422, retryable: bool = False, charged: bool = False
) -> Failure:
    """An error that the model raised: an array under `detail`."""
    kind = str(item["type"])
    detail = [{"url": f"{ERRORS_PAGE}{kind}"} | dict(item)]
    return Failure(
        code=kind,
        message=str(item["msg"]),
        status=status,
        retryable=retryable,
        charged=charged,
        extra={"detail": detail},
    )


def request_error(kind: str, message: str, *, charged: bool = False, by: str = "") -> Failure:
    """An error of the machinery around the model: a sentence under `detail`."""
    return Failure(
        code=kind,
        message=message,
        status=REQUEST_ERRORS[kind],
        retryable=kind.startswith("runner_") or kind.endswith("_timeout"),
        charged=charged,
        extra={"detail": message, "error_type": kind} | ({"by": by} if by else {}),
    )


def invalid(items: list[dict[str, Json]]) -> Failure:
    """What the model says about a body that it does not understand."""
    return Failure(
        code="validation", message="The input is not valid.", status=422, extra={"detail": items}
    )


def result_of(failed: Failure) -> Answer:
    """The answer at the result address of a job that failed."""
    detail = failed.extra["detail"]
    if isinstance(detail, str):
        headers = {"X-Fal-Error-Type": failed.code}
        if "by" in failed.extra:
            headers["X-Fal-Request-Timeout-Type"] = str(failed.extra["by"])
        body = {"detail": detail, "error_type": failed.code}
        return Answer(status=failed.status, body=body, headers=headers)
    headers = {"X-Fal-Retryable": "true" if failed.retryable else "false"}
    if failed.status == 422:
        headers["x-fal-billable-units"] = "0"
    return Answer(status=failed.status, body={"detail": detail}, headers=headers)


KINDS: Mapping[tuple[str, str], str] = {
    ("audio", "unreadable"): "unsupported_audio_format",
    ("audio", "format"): "unsupported_audio_format",
    ("audio", "too_long"): "audio_duration_too_long",
    ("image", "unreadable"): "image_load_error",
    ("image", "format"): "unsupported_image_format",
    ("image", "too_small"): "image_too_small",
    ("image", "too_large"): "image_too_large",
}


def explain(problem: Problem, address: str) -> Failure:
    """What the model says about an input that it could not use."""
    facts = problem.facts
    kind = KINDS.get((problem.medium, problem.trouble), "image_load_error")
    if problem.trouble == "unreachable":
        kind = "file_download_error"
    elif "max_size" in facts:
        kind = "file_too_large"
    item: dict[str, Json] = {
        "loc": ["body", f"{problem.medium}_url"],
        "msg": f"{kind.replace('_', ' ').capitalize()}: {problem.said}",
        "type": kind,
        "input": address[:500],
    }
    if kind == "audio_duration_too_long":
        most, given = round(facts["most"]), round(facts["seconds"])
        item["ctx"] = {"max_duration": most, "provided_duration": given}
        item["msg"] = (
            "Audio duration exceeds the maximum allowed. "
            f"Maximum is {most} seconds, provided is {given} seconds."
        )
    elif kind.startswith("unsupported_"):
        item["ctx"] = {"supported_formats": facts.get("supported", [])}
    elif facts:
        item["ctx"] = dict(facts)
    return model_error(item)


def no_such_path(said: str) -> Failure:
    """An endpoint that the application does not have."""
    return Failure(code="not_found", message=said, status=404, extra={"detail": said})
