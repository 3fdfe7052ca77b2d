"""Every command and every snippet on the front page does what the page says, in its order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import omnihuman_blocks
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings

ROOT = Path(__file__).parents[2]
DEMO = Path(omnihuman_blocks.__file__).parent / "demo"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS = 180


def steps() -> Iterator[tuple[str, str]]:
    """The page's commands and snippets, in order."""
    for language, block in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if language == "python":
            yield "python", block
        elif language == "console":
            for line in block.splitlines():
                assert line.startswith("$ "), line
                yield "console", line[2:]


@pytest.mark.xdist_group("prefect")
def test_the_front_page_works_word_for_word(tmp_path: Path, prefect_server: str) -> None:
    """Tables from the snippet, then each command, then the snippets for Python: all succeed."""
    for name, source in (
        ("mira.jpg", "avatars/mira.jpg"),
        ("welcome-en.mp3", "audio/welcome-en-US.mp3"),
        ("welcome-de.mp3", "audio/welcome-de-DE.mp3"),
    ):
        shutil.copy(DEMO / source, tmp_path / name)
    with Sandbox(settings=Settings(time_scale=0.005)) as sandbox:
        environment = os.environ | sandbox.environment | {"PREFECT_API_URL": prefect_server}
        for language, code in steps():
            command = (
                [sys.executable, "-c", code]
                if language == "python"
                else [sys.executable, "-m", "omnihuman_blocks", *shlex.split(code)[1:]]
            )
            done = subprocess.run(
                command,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        assert sandbox.counts().accepted() == 2
        assert sandbox.counts().bought_twice() == ()
    assert len(list((tmp_path / "out" / "videos").glob("*.mp4"))) == 2


def test_every_file_that_the_page_names_is_there() -> None:
    """No link of the front page or the documents leads nowhere."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
