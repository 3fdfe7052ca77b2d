"""What is going on right now, for people: written where jobs walk, read where somebody looks.

A board lives in one process and belongs to one invocation. It tells nothing that anybody decides
by: what counts stands in the ledger.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from omnihuman_blocks.domain.job import JobKey, Working

ORDER = ("waiting", "buying", "queued", "generating", "fetching", "done", "failed", "in doubt",
         "blocked", "pending")  # fmt: skip
ENDED = frozenset({"done", "failed", "in doubt", "blocked", "pending"})
LINE_SECONDS = 5.0
NEWS_KEPT = 3


@dataclass(frozen=True, kw_only=True)
class Glance:
    """The board at one moment. Counts are rows."""

    rows: Mapping[str, int]
    total: int
    charged_usd: Decimal
    quote_usd: Decimal
    unpriced: int
    seconds_left: float | None
    news: tuple[str, ...]

    @property
    def ended(self) -> int:
        return sum(count for doing, count in self.rows.items() if doing in ENDED)

    @property
    def line(self) -> str:
        """One plain line for logs and pipes."""
        doing = ", ".join(f"{self.rows[name]} {name}" for name in ORDER if self.rows.get(name))
        left = "" if self.seconds_left is None else f", about {_spoken(self.seconds_left)} left"
        at_least = f" and {self.unpriced} without a price" if self.unpriced else ""
        return (
            f"{self.ended} of {self.total} rows: {doing or 'nothing yet'}; "
            f"${self.charged_usd:.2f} of ${self.quote_usd:.2f} quoted{at_least}{left}"
        )


@dataclass(kw_only=True)
class Board:
    """Where jobs say what they are doing. Safe from any thread."""

    rows_of: Mapping[tuple[JobKey, ...], int]
    """How many rows are made of just these jobs. One of several parts is as far as its last one."""
    quote_usd: Decimal
    unpriced: int = 0
    _doing: dict[JobKey, str] = field(default_factory=dict)
    _charged: dict[JobKey, Decimal] = field(default_factory=dict)
    _news: deque[str] = field(default_factory=lambda: deque(maxlen=NEWS_KEPT))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float = field(default_factory=time.monotonic)

    def tell(self, key: JobKey, doing: str) -> None:
        """One of the words in `ORDER`."""
        with self._lock:
            self._doing[key] = doing

    def tell_progress(self, key: JobKey, progress: Working) -> None:
        """What the vendor says of a job that is not finished: its place, its share, its words."""
        queued = progress.queue_position is not None
        with self._lock:
            self._doing[key] = "queued" if queued else "generating"
            if queued:
                self._tell_news(key, f"position {progress.queue_position} in the queue")
            elif progress.percent is not None:
                self._tell_news(key, f"{progress.percent}% generated")
            if progress.logs:
                self._tell_news(key, progress.logs[-1][:120])

    def charge(self, key: JobKey, usd: Decimal | None) -> None:
        """What a job cost, once that is known."""
        if usd is not None:
            with self._lock:
                self._charged[key] = usd

    def glance(self) -> Glance:
        """Everything at once, for a view."""
        with self._lock:
            rows: Counter[str] = Counter()
            for parts, count in self.rows_of.items():
                doing = [self._doing.get(key, "waiting") for key in parts]
                rows[min(doing, key=ORDER.index)] += count
            charged = sum(self._charged.values(), Decimal(0))
            news = tuple(self._news)
        total = sum(self.rows_of.values())
        ended = sum(count for doing, count in rows.items() if doing in ENDED)
        elapsed = time.monotonic() - self._began
        left = elapsed * (total - ended) / ended if ended and ended < total else None
        return Glance(
            rows=rows,
            total=total,
            charged_usd=charged,
            quote_usd=self.quote_usd,
            unpriced=self.unpriced,
            seconds_left=left,
            news=news,
        )

    def _tell_news(self, key: JobKey, words: str) -> None:
        self._news.append(f"{key[:8]}  {words}")


_boards: dict[str, Board] = {}


@contextmanager
def showing(invocation: str, board: Board) -> Iterator[Board]:
    """Makes a board known to the jobs of its invocation in this process."""
    _boards[invocation] = board
    try:
        yield board
    finally:
        del _boards[invocation]


def board_of(invocation: str) -> Board:
    """The board of an invocation; one that nobody looks at where it runs in another process."""
    return _boards.get(invocation) or Board(rows_of={}, quote_usd=Decimal(0))


class View:
    """Shows a board until it is closed: live on a terminal, a plain line now and then in a pipe."""

    def __init__(self, board: Board, stream: TextIO) -> None:
        self._board = board
        self._console = Console(file=stream, highlight=False)
        self._last_line = ""
        self._last_at = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._picture, refresh_per_second=4
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        else:
            self._say(force=True)

    def turn(self) -> None:
        """To be called now and then while waiting."""
        if self._live is None:
            self._say(force=False)

    def _say(self, *, force: bool) -> None:
        line = self._board.glance().line
        now = time.monotonic()
        if line != self._last_line and (force or now - self._last_at >= LINE_SECONDS):
            self._last_line, self._last_at = line, now
            self._console.print(line, soft_wrap=True, markup=False)

    def _picture(self) -> Group:
        glance = self._board.glance()
        bar = ProgressBar(total=max(glance.total, 1), completed=glance.ended, width=50)
        table = Table.grid(padding=(0, 2))
        for name in ORDER:
            if glance.rows.get(name):
                table.add_row(f"{glance.rows[name]:>6}", name)
        news = [
            Text(words, style="dim", overflow="ellipsis", no_wrap=True) for words in glance.news
        ]
        return Group(Text(glance.line), bar, table, *news)


_stream: ContextVar[TextIO | None] = ContextVar("omnihuman_onlooker", default=None)


@contextmanager
def looking_on(stream: TextIO) -> Iterator[None]:
    """Somebody looks at this stream while what is called inside goes on."""
    token = _stream.set(stream)
    try:
        yield
    finally:
        _stream.reset(token)


@contextmanager
def onlooker(board: Board) -> Iterator[Callable[[], None]]:
    """Shows a board to whoever looks on; what it yields is to be called now and then."""
    stream = _stream.get()
    if stream is None:
        yield lambda: None
        return
    with View(board, stream) as view:
        yield view.turn


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
