"""A `videoInference` task -> what Runware would refuse about it, field by field."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from omnihuman_blocks.sandbox.network import is_web

Task: TypeAlias = Mapping[str, Any]
DOCUMENTATION = "https://runware.ai/docs/models/{slug}"
SLUGS = {"bytedance:5@1": "bytedance-omnihuman-1", "bytedance:5@2": "bytedance-omnihuman-1-5"}


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One refused field."""

    code: str
    message: str
    parameter: str
    allowed: tuple[object, ...] = ()


def complaints(task: Task) -> Iterator[Complaint]:
    """Everything that is wrong, in the order in which the fields are read."""
    if task.get("model") is None:
        yield _missing("model")
        return
    if not isinstance(task["model"], str) or task["model"] not in SLUGS:
        yield Complaint(
            code="invalidModel",
            message=f"Invalid value for `model`: {task['model']!r} is not a model we know.",
            parameter="model",
        )
        return
    known = FIELDS if task["model"] == "bytedance:5@1" else FIELDS | NEWER_FIELDS
    for name in task:
        if name not in known:
            yield Complaint(
                code="unsupportedParameter",
                message=f"Unsupported use of `{name}` with this model.",
                parameter=name,
            )
    for name, check in known.items():
        if name in task:
            yield from check(name, task[name])
    yield from _inputs(task)


def task_uuid_complaint(task: Task) -> Complaint | None:
    """What is wrong with a task's own name."""
    name = task.get("taskUUID")
    if name is None:
        return _missing("taskUUID")
    if not is_uuid(name):
        return Complaint(
            code="invalidTaskUUID",
            message="Invalid value for `taskUUID`: it must be a UUID v4.",
            parameter="taskUUID",
        )
    return None


def is_uuid(text: object) -> bool:
    """A UUID of version 4 in its usual form."""
    try:
        return isinstance(text, str) and len(text) == 36 and uuid.UUID(text).version == 4
    except ValueError:
        return False


def inputs_of(task: Task) -> tuple[str, str]:
    """Image and audio, from the newer `inputs` or from the form of October 2025."""
    inputs = task.get("inputs") or {}
    if "image" in inputs:
        return inputs["image"], inputs["audio"]
    if "referenceImages" in inputs:
        return inputs["referenceImages"][0], inputs["audio"]
    return task["referenceImages"][0], task["inputAudios"][0]


# --- single fields ------------------------------------------------------------------------------

Check: TypeAlias = Callable[[str, object], Iterator[Complaint]]


def _missing(parameter: str) -> Complaint:
    leaf = parameter.rsplit(".", 1)[-1]
    return Complaint(
        code=f"missing{leaf[0].upper()}{leaf[1:]}",
        message=f"Missing required parameter `{parameter}`.",
        parameter=parameter,
    )


def _invalid(parameter: str, must: str, allowed: tuple[object, ...] = ()) -> Complaint:
    leaf = parameter.rsplit(".", 1)[-1]
    return Complaint(
        code=f"invalid{leaf[0].upper()}{leaf[1:]}",
        message=f"Invalid value for `{parameter}`: it must be {must}.",
        parameter=parameter,
        allowed=allowed,
    )


def _anything(_name: str, _value: object) -> Iterator[Complaint]:
    return iter(())


def _text(name: str, value: object) -> Iterator[Complaint]:
    if not isinstance(value, str) or not value:
        yield _invalid(name, "a text")


def _flag(name: str, value: object) -> Iterator[Complaint]:
    if not isinstance(value, bool):
        yield _invalid(name, "true or false")


def _address(name: str, value: object) -> Iterator[Complaint]:
    if not isinstance(value, str) or not is_web(value):
        yield _invalid(name, "an http(s) address")


def _record(name: str, value: object) -> Iterator[Complaint]:
    if not isinstance(value, dict):
        yield _invalid(name, "an object")


def _one_of(*allowed: object) -> Check:
    def check(name: str, value: object) -> Iterator[Complaint]:
        if value not in allowed or isinstance(value, bool):
            yield _invalid(name, f"one of {', '.join(map(str, allowed))}", allowed)

    return check


def _whole(least: int, most: int | None = None) -> Check:
    def check(name: str, value: object) -> Iterator[Complaint]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield _invalid(name, "a whole number")
        elif value < least:
            yield Complaint(
                code="valueTooSmall", message=f"`{name}` must be at least {least}.", parameter=name
            )
        elif most is not None and value > most:
            yield Complaint(
                code="valueTooLarge", message=f"`{name}` must be at most {most}.", parameter=name
            )

    return check


def _safety(name: str, value: object) -> Iterator[Complaint]:
    if not isinstance(value, dict):
        yield _invalid(name, "an object")
        return
    for key, inner in value.items():
        check = {"checkContent": _flag, "mode": _one_of("none", "fast", "full")}.get(key)
        if check is None:
            yield Complaint(
                code="unknownParameter",
                message=f"Unknown parameter `safety.{key}`.",
                parameter=f"safety.{key}",
            )
        else:
            yield from check(f"safety.{key}", inner)


FIELDS: dict[str, Check] = {
    "taskType": _anything,
    "taskUUID": _anything,
    "model": _anything,
    "inputs": _record,
    "referenceImages": _anything,
    "inputAudios": _anything,
    "outputType": _one_of("URL"),
    "outputFormat": _one_of("MP4", "WEBM", "MOV"),
    "outputQuality": _whole(20, 99),
    "webhookURL": _address,
    "deliveryMethod": _one_of("async"),
    "uploadEndpoint": _address,
    "safety": _safety,
    "ttl": _whole(60),
    "includeCost": _flag,
    "numberResults": _whole(1, 4),
    "routing": _record,
}
NEWER_FIELDS: dict[str, Check] = {
    "positivePrompt": _text,
    "seed": _whole(-(2**63), 2**63),
    "providerSettings": _record,
}


def _inputs(task: Task) -> Iterator[Complaint]:
    inputs = task.get("inputs")
    if task["model"] == "bytedance:5@1":
        if isinstance(inputs, dict) or "referenceImages" not in task:
            yield from _members(inputs, {"referenceImages": _one_image, "audio": _text})
        else:
            yield from _one_image("referenceImages", task["referenceImages"])
            yield from _one_sound("inputAudios", task.get("inputAudios"))
    else:
        yield from _members(inputs, {"image": _text, "audio": _text})


def _members(inputs: object, wanted: Mapping[str, Check]) -> Iterator[Complaint]:
    if not isinstance(inputs, dict):
        if inputs is None:
            yield _missing("inputs")
        return
    for name in inputs:
        if name not in wanted:
            yield Complaint(
                code="unsupportedParameter",
                message=f"Unsupported use of `inputs.{name}` with this model.",
                parameter=f"inputs.{name}",
            )
    for name, check in wanted.items():
        if inputs.get(name) is None:
            yield _missing(f"inputs.{name}")
        else:
            yield from check(f"inputs.{name}", inputs[name])


def _one_image(name: str, value: object) -> Iterator[Complaint]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        yield _invalid(name, "an array of texts")
    elif len(value) != 1:
        size = "Large" if len(value) > 1 else "Small"
        yield Complaint(
            code=f"arrayToo{size}",
            message=f"`{name}` must have exactly 1 item, and has {len(value)}.",
            parameter=name,
        )


_one_sound = _one_image
