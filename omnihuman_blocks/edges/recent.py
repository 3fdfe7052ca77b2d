"""Digest -> content, as far as there is room: what was read last."""

from __future__ import annotations

from collections import OrderedDict


class Recent:
    """What was read last, by its digest: many rows show one face, or say one recording."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def get(self, sha256: str) -> bytes | None:
        """None where it is not here, or not any more."""
        content = self._contents.get(sha256)
        if content is not None:
            self._contents.move_to_end(sha256)
        return content

    def put(self, sha256: str, content: bytes) -> None:
        """The oldest make room for it."""
        self._size += len(content) - len(self._contents.pop(sha256, b""))
        self._contents[sha256] = content
        while self._size > self._most:
            _, oldest = self._contents.popitem(last=False)
            self._size -= len(oldest)
