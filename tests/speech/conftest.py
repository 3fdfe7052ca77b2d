"""Speakers with real engines: the embedded voice's own process, the sandbox's speech server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omnihuman_blocks.domain.lexicon import NO_LEXICON, Entry, Lexicon
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.speech import Engine, Speaker, Speech, Tools
from omnihuman_blocks.sandbox.server import Sandbox

MakeSpeaker = Callable[..., Speaker]


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    """With nothing spoken, and in a good mood."""
    _sandbox.reset()
    _sandbox.settings.speech.answers_first = []
    return _sandbox


@pytest.fixture
async def tools() -> AsyncIterator[Tools]:
    with ThreadPoolExecutor(4) as pool:
        async with Http() as http:
            yield Tools(http=http, pool=pool)


@pytest.fixture
def make_speaker(tools: Tools, tmp_path: Path) -> MakeSpeaker:
    """A speaker of its own each time, into the same folder unless another is named."""

    def make(engine: Engine, *, lexicon: Lexicon = NO_LEXICON, folder: str = "results") -> Speaker:
        speech = Speech(engine=engine, lexicon=lexicon)
        return Speaker(speech, folder=ResultsFolder.at(tmp_path / folder), tools=tools)

    return make


@pytest.fixture
def make_lexicon() -> Callable[..., Lexicon]:
    """From locale, written, said."""
    return lambda *lines: Lexicon(
        tuple(Entry(locale=locale, written=written, said=said) for locale, written, said in lines)
    )
