"""The body of an answer, unpacked a little at a time: a few kilobytes cannot fill the memory.

Unpacking whatever arrives in one step, and one packing inside another, let ten kilobytes grow to
ten gigabytes before anybody could look at the length. Here nothing is ever longer than a block.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

ACCEPTED = "gzip"
"""All that is asked for, so all that is understood."""
BLOCK_BYTES = 1024 * 1024
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


class Unpackable(Exception):
    """Not what it says it is, broken off, or packed in a way that nobody asked for."""


def is_packed(encoding: str) -> bool:
    """Whether the body is anything else than the file itself."""
    return bool(_names(encoding))


async def unpacked(raw: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The bytes as they are meant, in blocks. `encoding`: its header `Content-Encoding`."""
    names = _names(encoding)
    if not names:
        async for chunk in raw:
            yield chunk
        return
    if names != [ACCEPTED]:
        raise Unpackable(f"it is packed as {encoding[:60]!r}, which was not asked for")
    unpacker = zlib.decompressobj(_WITH_GZIP_HEADER)
    empty = True
    async for chunk in raw:
        empty = empty and not chunk
        for block in _blocks(unpacker, chunk):
            yield block
    if not unpacker.eof and not empty:
        raise Unpackable("its packing breaks off")


def _blocks(unpacker: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    while chunk and not unpacker.eof:
        try:
            block = unpacker.decompress(chunk, BLOCK_BYTES)
        except zlib.error as error:
            raise Unpackable("it says that it is packed, and is not") from error
        if block:
            yield block
        chunk = unpacker.unconsumed_tail


def _names(encoding: str) -> list[str]:
    words = [word.strip().lower().removeprefix("x-") for word in encoding.split(",")]
    return [word for word in words if word not in ("", "identity")]
