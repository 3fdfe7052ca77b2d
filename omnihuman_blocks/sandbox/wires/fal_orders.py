"""A request to one of fal's endpoints -> an order, with what its model will say about the input."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request

from omnihuman_blocks.sandbox.answers import Json
from omnihuman_blocks.sandbox.desk import base_of
from omnihuman_blocks.sandbox.job import Failure, Limits, MediumKind, Order, Problem
from omnihuman_blocks.sandbox.wires import fal_words

APP = "fal-ai/bytedance"
V1 = "fal-ai/bytedance/omnihuman"
V15 = "fal-ai/bytedance/omnihuman/v1.5"
MODELS = (V1, V15)
SOUNDS = frozenset(("mp3", "ogg", "wav", "m4a", "aac"))
IMAGES = frozenset(("jpeg", "png", "webp", "gif", "avif"))


def order_of(request: Request, path: str, body: Json) -> Order:
    """The queue takes anything; what the model will refuse goes with the order."""
    refusal = _refusal(path, body)
    given: dict[str, Any] = body if refusal is None else {}
    addresses = _addresses(path, given)
    headers = request.headers
    return Order(
        vendor="fal",
        model=path,
        ticket=str(uuid.uuid4()),
        base=base_of(request),
        body=body,
        addresses=addresses,
        content=content_of(path, given) if refusal is None else {"unread": body},
        resolution=given.get("resolution", "1080p") if path == V15 else "720p",
        limits=limits_of(path, given),
        start_within=_seconds(headers.get("x-fal-request-timeout")),
        lifetime=_lifetime(headers.get("x-fal-object-lifecycle-preference")),
        webhook=request.query_params.get("fal_webhook"),
        explain=partial(_explain, addresses),
        refusal=refusal,
        late=fal_words.request_error("request_timeout", "Request timed out", by="user"),
    )


def _refusal(path: str, body: Json) -> Failure | None:
    if path not in MODELS:
        tail = "/".join(path.split("/")[2:])
        return fal_words.no_such_path(f"Path /{tail} not found")
    wrong = problems(path, body)
    return fal_words.invalid(wrong) if wrong else None


def _addresses(path: str, given: Mapping[str, Any]) -> dict[MediumKind, str]:
    kinds: tuple[MediumKind, ...] = (
        ("image", "audio", "mask") if path == V15 else ("image", "audio")
    )
    return {kind: given[f"{kind}_url"] for kind in kinds if given.get(f"{kind}_url")}


def _explain(addresses: Mapping[MediumKind, str], problem: Problem) -> Failure:
    return fal_words.explain(problem, addresses[problem.medium])


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None


def _lifetime(header: str | None) -> float | None:
    try:
        wished = json.loads(header or "null")
    except ValueError:
        return None
    seconds = wished.get("expiration_duration_seconds") if isinstance(wished, dict) else None
    return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else None


def limits_of(model: str, body: dict[str, Any]) -> Limits:
    """Longer audio is taken at the smaller resolution."""
    small = model == V15 and body.get("resolution", "1080p") == "720p"
    seconds = 60.0 if small else 30.0
    return Limits(audio_seconds=seconds, audio_formats=SOUNDS, image_formats=IMAGES)


def problems(model: str, body: Json) -> list[dict[str, Json]]:
    """What the model's own validation says, all of it."""
    if not isinstance(body, dict):
        return [{"type": "model_attributes_type", "loc": ["body"], "msg": "Input should be a dict"}]
    return list(_problems(model, body))


def _problems(model: str, body: dict[str, Any]) -> Iterator[dict[str, Json]]:
    for name in ("image_url", "audio_url"):
        if body.get(name) is None:
            yield {"type": "missing", "loc": ["body", name], "msg": "Field required", "input": body}
        else:
            yield from _text(name, body[name])
    if model != V15:
        return
    for name in ("prompt", "mask_url"):
        if body.get(name) is not None:
            yield from _text(name, body[name])
    turbo = body.get("turbo_mode", False)
    if not isinstance(turbo, bool):
        yield _item("bool_parsing", "turbo_mode", "Input should be a valid boolean", turbo)
    resolution = body.get("resolution", "1080p")
    if resolution not in ("720p", "1080p"):
        item = _item("literal_error", "resolution", "Input should be '720p' or '1080p'", resolution)
        yield item | {"ctx": {"expected": "'720p' or '1080p'"}}


def _text(name: str, value: Json) -> Iterator[dict[str, Json]]:
    if not isinstance(value, str):
        yield _item("string_type", name, "Input should be a valid string", value)


def _item(kind: str, name: str, said: str, value: Json) -> dict[str, Json]:
    return {"type": kind, "loc": ["body", name], "msg": said, "input": value}


def content_of(model: str, body: dict[str, Any]) -> dict[str, Json]:
    """The options that change the video, defaults written out."""
    if model != V15:
        return {}
    return {
        "prompt": body.get("prompt"),
        "turbo_mode": body.get("turbo_mode", False),
        "resolution": body.get("resolution", "1080p"),
    }
