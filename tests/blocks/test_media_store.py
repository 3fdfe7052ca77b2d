"""A block with a store makes videos of files at a vendor that takes no upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from omnihuman_blocks.block_base import VendorBlock
from omnihuman_blocks.errors import InvalidRow
from omnihuman_blocks.sandbox.server import Sandbox

MakeBlock = Callable[..., VendorBlock]


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which a web server shows it."""
    folder = tmp_path / "shown"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    thread = Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_files_are_put_where_the_vendor_fetches_them(
    make_block: MakeBlock, local: Any, shown: tuple[Path, str], sandbox: Sandbox
) -> None:
    """Without a store the same video is refused, with the remedy."""
    folder, address = shown
    with pytest.raises(InvalidRow, match="--media-store"):
        await make_block("pixazo").atrigger(local.image, local.audio)
    block = make_block("pixazo", media_store=folder.as_uri(), media_store_public=address)
    run = await block.atrigger(local.image, local.audio, options={"resolution": "480p"})
    clip = await run.afetch_result()
    assert Path(clip.path).is_file()  # noqa: ASYNC240
    assert len(list(folder.iterdir())) == 2
    assert sandbox.counts().accepted("pixazo") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"media_store": "bucket"},
        {"media_store": "s3://key:secret@bucket"},
        {"media_store": "s3://bucket", "media_store_public": "bucket.example"},
        {"media_store_public": "https://bucket.example"},
    ],
)
def test_a_store_that_is_none_is_refused_in_the_form(
    make_block: MakeBlock, fields: dict[str, str]
) -> None:
    """And not when somebody buys."""
    with pytest.raises(ValidationError, match=r"media.store") as refused:
        make_block("pixazo", api_key="the-key", **fields)
    assert "secret" not in str(refused.value)
    assert "the-key" not in str(refused.value)
