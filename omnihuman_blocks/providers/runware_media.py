"""A medium's bytes -> Runware's own id for them, which stands in for an address."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import NoReturn

from omnihuman_blocks.domain.job import MediaKind, Staged, Upload
from omnihuman_blocks.domain.wire import (
    Flow,
    HttpCall,
    HttpReply,
    Record,
    check_status,
    optional_text,
    web_address,
)
from omnihuman_blocks.errors import Refused, Transient, Unreadable
from omnihuman_blocks.providers.runware_codes import Meaning
from omnihuman_blocks.providers.runware_models import API
from omnihuman_blocks.providers.runware_replies import (
    about,
    code_of,
    envelope,
    means,
    raise_question,
    words,
)

UPLOAD_ATTEMPTS = 8
IMAGES_KEPT_FOR = timedelta(days=30)
# Nothing is said about media storage. Bringing a file there again costs nothing.
MEDIA_KEPT_FOR = timedelta(days=1)


def staging(upload: Upload) -> Flow[Staged]:
    """Media storage; where it is refused, the older upload that takes images only."""
    task: Record = {"taskType": "mediaStorage", "operation": "upload", "media": upload.data_uri}
    try:
        stored = yield from _uploading(task, upload)
        return Staged(address=_stored(stored, "media"), kept_for=MEDIA_KEPT_FOR)
    except Refused:
        if upload.kind is not MediaKind.IMAGE:
            raise
    task = {"taskType": "imageUpload", "image": upload.data_uri}
    stored = yield from _uploading(task, upload)
    return Staged(address=_stored(stored, "image"), kept_for=IMAGES_KEPT_FOR)


def _uploading(task: Record, upload: Upload) -> Flow[Record]:
    """Ids that are a count from the content on: a room has no dice, and each id is taken once."""
    for attempt in range(UPLOAD_ATTEMPTS):
        recipe = f"{task['taskType']} {attempt} ".encode() + upload.content
        task_uuid = str(uuid.UUID(bytes=hashlib.sha256(recipe).digest()[:16], version=4))
        reply = yield HttpCall(method="POST", url=API, json=[{**task, "taskUUID": task_uuid}])
        stored, errors = _read_upload(reply, task_uuid)
        if stored:
            return stored[0]
        if not any(means(error) is Meaning.ACCEPTED for error in errors):
            _refuse_upload(errors, reply)
    raise Transient(f"Runware has taken {upload.name} under every id that we know for it")


def _read_upload(reply: HttpReply, task_uuid: str) -> tuple[list[Record], list[Record]]:
    try:
        data, errors = envelope(reply)
    except Unreadable:
        check_status(reply)
        raise
    return about(task_uuid, data), errors


def _refuse_upload(errors: list[Record], reply: HttpReply) -> NoReturn:
    for error in errors:
        if means(error) is Meaning.UNKNOWN:
            check_status(reply, words(error), code_of(error))
        if means(error) is Meaning.REFUSED:
            raise Refused(f"Runware refused the file: {words(error)}", code_of(error))
        raise_question(error, reply)
    check_status(reply)
    raise Unreadable(f"The file is neither stored nor refused: {reply.excerpt!r}")


def _stored(item: Record, what: str) -> str:
    address = optional_text(item, f"{what}UUID")
    if address is not None and _is_uuid(address):
        return address
    return web_address(item, f"{what}URL")


def _is_uuid(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value.casefold()
    except ValueError:
        return False
