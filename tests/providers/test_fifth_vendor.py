"""A fifth vendor touches its room, one line of the list, its replies, a sheet and a block."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import omnihuman_blocks
from omnihuman_blocks.providers import PROVIDERS

PACKAGE = Path(omnihuman_blocks.__file__).parent
MAY_NAME_VENDORS = {"blocks.py", "blocks", "sandbox"}
"""One block per vendor is what Prefect's users look for; the sandbox speaks all the wires."""


def words_of(source: str) -> Iterator[str]:
    """Names and texts of a module's code; what is only said to its readers is left out."""
    tree = ast.parse(source)
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in remarks:
            yield str(node.value)
        for part in ("id", "attr", "name", "module", "arg"):
            word = getattr(node, part, None)
            if isinstance(word, str):
                yield word


def named_in(source: str) -> set[str]:
    """The vendors that a module's code names."""
    pattern = re.compile(rf"(?<![a-z])({'|'.join(PROVIDERS)})(?![a-z])", re.IGNORECASE)
    return {match.lower() for word in words_of(source) for match in pattern.findall(word)}


def other_modules() -> list[Path]:
    modules = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    return [
        path
        for path in sorted(modules)
        if path.parts[0] not in MAY_NAME_VENDORS and path.parts[0] != "providers"
    ]


def test_no_other_module_names_a_vendor() -> None:
    """Whoever wants to know a vendor reads the list."""
    named = {f"{path}": named_in((PACKAGE / path).read_text()) for path in other_modules()}
    assert len(named) > 10
    assert {path: vendors for path, vendors in named.items() if vendors} == {}


@pytest.mark.parametrize("vendor", PROVIDERS)
def test_a_room_names_no_other_vendor(vendor: str) -> None:
    """Four rooms, four strangers."""
    for path in (PACKAGE / "providers").glob(f"{vendor}*.py"):
        assert named_in(path.read_text()) <= {vendor}, path.name


def test_the_search_would_see_a_name() -> None:
    """The two tests above are able to fail."""
    assert named_in('x = "to fal"') == {"fal"}
    assert named_in("import a.runware as r") == {"runware"}
    assert named_in("PIXAZO_API_KEY = 1") == {"pixazo"}
    assert not named_in('"""fal."""\nfallback = "falls"  # fal')


@pytest.mark.parametrize("vendor", PROVIDERS)
def test_every_vendor_has_a_sheet(vendor: str) -> None:
    """Beside the code there is a page for people, and it says when it was read."""
    sheet = (PACKAGE.parent / "docs" / "providers.md").read_text()
    assert f"## {PROVIDERS[vendor].TITLE}\n" in sheet
    assert f"{PROVIDERS[vendor].READ_ON:%Y-%m-%d}" in sheet
