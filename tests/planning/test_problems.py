"""Whatever is wrong with a line, its words name the reason and the remedy, and stay short."""

from __future__ import annotations

import pytest

from omnihuman_blocks.domain import problems
from omnihuman_blocks.domain.problems import Problem

HUGE = "x" * 10_000


@pytest.mark.parametrize(
    "problem",
    [
        problems.missing("locale"),
        problems.no_avatar_named(),
        problems.not_exact("script_id"),
        problems.no_flag("enabled", HUGE),
        problems.no_locale("locale", "It is none."),
        problems.unknown_avatar(HUGE),
        problems.rejected_avatar(HUGE, 3),
        problems.not_admitted("de", HUGE),
        problems.nobody_admits("de"),
        problems.said_twice("scripts", 3),
        problems.said_twice("avatars", 3),
        problems.broken_line(3, 4),
    ],
)
def test_every_problem_has_a_reason_and_a_remedy(problem: Problem) -> None:
    """Two sentences that end, and no cell of ten thousand signs in them."""
    assert problem.reason.endswith(".")
    assert problem.remedy.endswith(".")
    assert len(problem.reason) + len(problem.remedy) < 300
