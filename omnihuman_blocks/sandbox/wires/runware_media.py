"""Runware's shelves: `mediaStorage` and the older `imageUpload`, by UUID and by address."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.media import Medium, Unreachable, read_base64
from omnihuman_blocks.sandbox.strike import Strike
from omnihuman_blocks.sandbox.wires.runware_rules import is_uuid, task_uuid_complaint
from omnihuman_blocks.sandbox.wires.runware_words import Said, error

Task = dict[str, Any]


@dataclass
class RunwareMedia:
    """What was uploaded to Runware."""

    desk: Desk

    def path(self, media_uuid: str) -> str:
        """Where a stored file is."""
        return f"/media/runware/{media_uuid}"

    def address(self, source: str, base: str) -> str:
        """A source as an address: a UUID, an address, a data URI or bare base64."""
        if is_uuid(source):
            return f"{base}{self.path(source)}"
        if source.startswith(("http://", "https://", "data:")):
            return source
        return f"data:application/octet-stream;base64,{source}"

    async def storage(self, task: Task, base: str, _strike: Strike) -> Said:
        """`mediaStorage`: upload, or delete."""
        wrong = task_uuid_complaint(task)
        if wrong is not None:
            return Said.no(error(wrong.code, wrong.message, task, wrong.parameter))
        operation = task.get("operation", "upload")
        echo = {"taskType": "mediaStorage", "taskUUID": task["taskUUID"], "operation": operation}
        if operation == "delete":
            media_uuid = str(task.get("mediaUUID"))
            if not self.desk.library.remove(self.path(media_uuid)):
                return Said.no(error("mediaNotFound", "No such media.", task, "mediaUUID"))
            return Said.yes(echo | {"mediaUUID": media_uuid})
        if operation != "upload":
            return Said.no(
                error("invalidOperation", "`operation` is not known.", task, "operation")
            )
        stored = await self._store(task, "media", base)
        if isinstance(stored, Said):
            return stored
        return Said.yes(echo | {"mediaUUID": stored, "mediaURL": f"{base}{self.path(stored)}"})

    async def image_upload(self, task: Task, base: str, _strike: Strike) -> Said:
        """`imageUpload`: the older form, for images only."""
        stored = await self._store(task, "image", base)
        if isinstance(stored, Said):
            return stored
        return Said.yes(
            {
                "taskType": "imageUpload",
                "taskUUID": task.get("taskUUID"),
                "imageUUID": stored,
                "imageURL": f"{base}{self.path(stored)}",
            }
        )

    async def _store(self, task: Task, name: str, base: str) -> str | Said:
        source = task.get(name)
        if not isinstance(source, str) or not source:
            code = f"missing{name.capitalize()}"
            return Said.no(error(code, f"Missing required parameter `{name}`.", task, name))
        try:
            medium = await self._read(source, base)
        except Unreachable as unreachable:
            return Said.no(error("uploadFailed", f"Upload failed: {unreachable}", task, name))
        media_uuid = str(uuid.uuid4())
        self.desk.library.keep(self.path(media_uuid), medium)
        return media_uuid

    async def _read(self, source: str, base: str) -> Medium:
        if source.startswith(("http://", "https://", "data:")):
            return await self.desk.library.fetch(source, base)
        return await asyncio.to_thread(lambda: Medium.of(read_base64(source)))
