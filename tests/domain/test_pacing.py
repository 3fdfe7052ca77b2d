"""When to ask again: prompt, polite, and always some time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.pacing import Experience, after_failure, learn, next_wait

any_float = st.floats(allow_nan=True, allow_infinity=True)
experiences = st.none() | st.builds(
    Experience, fastest=any_float, usual=any_float, slowest=any_float
)


@given(elapsed=any_float, deadline=any_float, experience=experiences)
def test_the_next_wait_is_always_usable(
    elapsed: float, deadline: float, experience: Experience | None
) -> None:
    """Clocks jump and experience lies: the answer is a small positive time, or an end."""
    wait = next_wait(elapsed, deadline, experience)
    if wait is None:
        assert not (math.isfinite(deadline) and deadline > max(elapsed, 0))
    else:
        assert 0 < wait <= pacing.LONGEST_WAIT


@given(failures=st.integers(), wish=st.none() | any_float)
def test_waiting_after_a_failure_is_bounded_and_heeds_the_vendor(
    failures: int, wish: float | None
) -> None:
    """A thousand failures in a row do not overflow, and the vendor's own wish comes first."""
    wait = after_failure(failures, wish)
    assert wait > 0
    if wish is not None and wish > 0:
        assert wait == wish
    else:
        assert wait <= pacing.LONGEST_WAIT


def test_waits_after_failures_grow() -> None:
    """The second failure in a row waits longer than the first."""
    assert after_failure(1, None) < after_failure(2, None) < after_failure(3, None)


def asked(finished: float, experience: Experience | None, deadline: float = 3600) -> list[float]:
    """The moments at which a job that finishes then would be asked after."""
    moments, elapsed = [], 0.0
    while (wait := next_wait(elapsed, deadline, experience)) is not None:
        elapsed += wait
        moments.append(elapsed)
        if elapsed >= finished:
            break
    return moments


@pytest.mark.parametrize("seconds", [5, 20, 60, 180, 600])
def test_without_experience_the_delay_stays_a_small_share(seconds: int) -> None:
    """Whatever a job takes, it is noticed within a tenth of that, or a second or half a minute."""
    moments = asked(seconds, None)
    assert moments[-1] - seconds <= max(seconds * 0.1, 1.0)
    assert len(moments) <= 70


def test_with_experience_questions_are_few_and_the_delay_is_small() -> None:
    """Jobs between 50 and 70 s: at most 15 questions each, and a mean delay under 2%."""
    experience = Experience(fastest=50, usual=60, slowest=70)
    delays, questions = [], []
    for tenths in range(500, 701):
        moments = asked(tenths / 10, experience)
        delays.append((moments[-1] - tenths / 10) / (tenths / 10))
        questions.append(len(moments))
    assert max(questions) <= 16
    assert sum(questions) / len(questions) <= 12
    assert sum(delays) / len(delays) <= 0.02


def test_an_overdue_job_is_asked_after_ever_more_rarely() -> None:
    """What should have been done long ago is not asked after every second."""
    experience = Experience(fastest=50, usual=60, slowest=70)
    assert len(asked(3600, experience)) < 250
    late = next_wait(2000, 3600, experience)
    assert late is not None
    assert late > 5


def test_the_last_question_is_asked_at_the_deadline() -> None:
    """A job that finishes in the last moment is not given up."""
    assert asked(10_000, None, deadline=100)[-1] == pytest.approx(100)
    assert next_wait(100, 100, None) is None


@given(st.lists(st.tuples(any_float, any_float), max_size=30), any_float)
def test_experience_comes_from_usable_times_only(
    seen: list[tuple[float, float]], audio: float
) -> None:
    """Too few teach nothing; whatever was seen, what is taught is finite, positive and in order."""
    learned = learn(seen, audio)
    usable = [pair for pair in seen if all(0 < value < pacing.LONGEST_BELIEVED for value in pair)]
    assert (learned is None) == (len(usable) < 3 or not 0 < audio < pacing.LONGEST_BELIEVED)
    if learned is not None:
        assert 0 < learned.fastest <= learned.usual <= learned.slowest < math.inf


def test_longer_audio_is_expected_to_take_longer() -> None:
    """The line through 30 s + 2 x audio is found, and followed to lengths not seen yet."""
    learned = learn([(audio, 30 + 2 * audio) for audio in (5.0, 10.0, 15.0, 20.0)], 40.0)
    assert learned is not None
    assert learned.usual == pytest.approx(110)


def test_outliers_do_not_teach() -> None:
    """One job that hung for an hour does not make the others wait, nor a lucky one."""
    learned = learn([(10.0, 60.0)] * 99 + [(10.0, 3600.0), (10.0, 1.0)], 10.0)
    assert learned is not None
    assert learned.fastest == learned.slowest == pytest.approx(60)


@given(out=st.integers(0, 10_000), most=st.integers(1, 10_000))
def test_the_number_of_jobs_that_are_out_adapts_within_bounds(out: int, most: int) -> None:
    """Too many: fewer than are out, never fewer than one. Accepted: one more, up to the cap."""
    assert 1 <= pacing.narrowed(out) <= max(1, out - 1)
    assert 1 <= pacing.widened(min(out, most), most) <= most
