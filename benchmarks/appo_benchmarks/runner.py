"""Playing all episodes of a benchmark that are not yet on disk.

Owns order, workers and stopping. Episodes are begun in the order of items, all samples of an item together, and
recorded as they end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from appo_benchmarks.benchmark import Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.output_file import LineFile, read_records
from appo_benchmarks.record import EpisodeRecord, Key, to_line

REPORT_SECONDS = 5.0


class PlaysEpisodes(Protocol):
    """What a worker needs; `play.Player` is one."""

    def play(self, item: Item, sample: int) -> EpisodeRecord:
        """One episode to its end."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        done: episodes on disk or about to be.
        total: episodes in all.
        failed: of those of this session, that the endpoint or a tool failed.
        tokens: of this session, prompts and answers together.
        seconds: since this session began.
    """

    done: int
    total: int
    failed: int
    tokens: int
    seconds: float


def pending(items: Sequence[Item], samples: int, path: Path, retry_failed: bool = False) -> list[Key]:
    """The episodes that are not on disk, in order.

    Args:
        items: that are asked.
        samples: of each.
        path: of the outputs.
        retry_failed: also those on disk that the endpoint or a tool failed.

    Raises:
        BenchmarkError: the file holds an episode that was not asked for, or is damaged.
    """
    wanted = [Key(item.id, sample) for item in items for sample in range(samples)]
    records = read_records(path)
    strangers = {record.key for record in records}.difference(wanted)
    if strangers:
        first = min(strangers)
        raise BenchmarkError(
            f"{path} holds {len(strangers)} episodes that this run does not ask for, such as sample {first.sample} of "
            f"{first.item}; give another --out"
        )
    done = {record.key for record in records if not (retry_failed and record.error)}
    return [key for key in wanted if key not in done]


def run_episodes(
    items: Sequence[Item],
    samples: int,
    path: Path,
    make_player: Callable[[], PlaysEpisodes],
    concurrency: int,
    show: Callable[[Progress], None] = lambda progress: None,
    retry_failed: bool = False,
) -> int:
    """Play what is pending, many episodes at once, and record it.

    Args:
        items: that are asked, in order.
        samples: of each, at least 1.
        path: of the outputs.
        make_player: called once by each worker.
        concurrency: episodes at once, at least 1.
        show: told how far the run is.
        retry_failed: play episodes again that the endpoint or a tool failed.

    Returns:
        The number of episodes that were played.

    Raises:
        EndpointDown: the endpoint answers no request; finished episodes are on disk, and the run can go on.
        BenchmarkError: the file cannot be written, or holds another run's episodes.
    """
    if concurrency < 1 or samples < 1:
        raise ValueError(f"concurrency and samples must be at least 1, got {concurrency} and {samples}")
    by_id = {item.id: item for item in items}
    with LineFile(path) as outputs:
        # Only under the file's lock is what is pending certain.
        keys = pending(items, samples, path, retry_failed)
        crew = _Crew(iter(keys), len(keys), len(items) * samples, outputs, by_id)
        crew.work(make_player, min(concurrency, len(keys)), show)
    return len(keys)


class _Crew:
    """The workers of one benchmark and what they share."""

    def __init__(self, keys: Iterator[Key], left: int, total: int, outputs: LineFile, items: dict[str, Item]) -> None:
        self._keys, self._left, self._total, self._outputs, self._items = keys, left, total, outputs, items
        self._lock = threading.Lock()
        self._played, self._failed, self._tokens = 0, 0, 0
        self._problem: BaseException | None = None
        self._stop = threading.Event()
        self._start = time.monotonic()

    def work(self, make_player: Callable[[], PlaysEpisodes], workers: int, show: Callable[[Progress], None]) -> None:
        threads = [threading.Thread(target=self._worker, args=(make_player,)) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(REPORT_SECONDS)
                    if thread.is_alive():
                        show(self._progress())
        finally:
            # Also after Ctrl-C: what is under way is finished and recorded.
            self._stop.set()
            for thread in threads:
                thread.join()
        show(self._progress())
        if self._problem is not None:
            raise self._problem

    def _worker(self, make_player: Callable[[], PlaysEpisodes]) -> None:
        try:
            player = make_player()
            try:
                while not self._stop.is_set():
                    with self._lock:
                        key = next(self._keys, None)
                    if key is None:
                        return
                    self._finish(player.play(self._items[key.item], key.sample))
            finally:
                player.close()
        except BaseException as problem:
            # Whatever it is ends the run: the thread that waits raises the first one.
            with self._lock:
                self._problem = self._problem or problem
            self._stop.set()

    def _finish(self, record: EpisodeRecord) -> None:
        self._outputs.append(to_line(record))
        with self._lock:
            self._played += 1
            self._failed += bool(record.error)
            self._tokens += sum(turn.prompt_tokens + turn.completion_tokens for turn in record.turns)

    def _progress(self) -> Progress:
        with self._lock:
            done = self._total - self._left + self._played
            return Progress(done, self._total, self._failed, self._tokens, time.monotonic() - self._start)
