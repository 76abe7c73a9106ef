"""Every episode is played once, in order, whatever happens in between; also when the process is killed."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from appo_benchmarks.benchmark import Item
from appo_benchmarks.errors import BenchmarkError, EndpointDown
from appo_benchmarks.output_file import read_records
from appo_benchmarks.record import EpisodeRecord, Key, to_line
from appo_benchmarks.report import outputs_checksum
from appo_benchmarks.runner import Progress, pending, run_episodes

ITEMS = [Item(f"item/{place}", "Q", ("1",)) for place in range(20)]


class Scripted:
    """Plays at once; dies at a given episode."""

    def __init__(self, begun: list[Key], dies_at: Key | None = None) -> None:
        self.begun, self.dies_at, self.closed = begun, dies_at, False

    def play(self, item: Item, sample: int) -> EpisodeRecord:
        key = Key(item.id, sample)
        self.begun.append(key)
        if key == self.dies_at:
            raise EndpointDown("gone")
        return EpisodeRecord(item.id, sample, (), str(sample), True, False, "", 0.0)

    def close(self) -> None:
        self.closed = True


def test_episodes_are_begun_in_the_order_of_items(tmp_path: Path) -> None:
    begun: list[Key] = []
    assert run_episodes(ITEMS, 2, tmp_path / "o.jsonl", lambda: Scripted(begun), 1) == 40
    assert begun == [Key(item.id, sample) for item in ITEMS for sample in (0, 1)]


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    begun: list[Key] = []
    path = tmp_path / "o.jsonl"
    with pytest.raises(EndpointDown, match="gone"):
        run_episodes(ITEMS, 2, path, lambda: Scripted(begun, Key("item/7", 1)), 1)
    assert len(read_records(path)) == 15
    assert run_episodes(ITEMS, 2, path, lambda: Scripted(begun), 4) == 25
    assert len(read_records(path)) == 40 and run_episodes(ITEMS, 2, path, lambda: Scripted(begun), 4) == 0
    assert sorted(begun) == sorted([Key(item.id, sample) for item in ITEMS for sample in (0, 1)] + [Key("item/7", 1)])


def test_failed_episodes_are_played_again_only_when_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    failed = EpisodeRecord("item/3", 0, (), None, True, False, "EnvError: no search", 0.0)
    path.write_text(to_line(failed))
    begun: list[Key] = []
    run_episodes(ITEMS, 1, path, lambda: Scripted(begun), 4)
    assert len(begun) == 19 and [one for one in read_records(path) if one.error] == [failed]
    assert run_episodes(ITEMS, 1, path, lambda: Scripted(begun), 4, retry_failed=True) == 1
    assert begun[19:] == [failed.key] and not [one for one in read_records(path) if one.error]
    assert len(read_records(path)) == 20 and not pending(ITEMS, 1, path, retry_failed=True)


def test_players_are_closed_also_after_a_failure(tmp_path: Path) -> None:
    players: list[Scripted] = []

    def make() -> Scripted:
        players.append(Scripted([], Key("item/3", 0)))
        return players[-1]

    with pytest.raises(EndpointDown):
        run_episodes(ITEMS, 1, tmp_path / "o.jsonl", make, 3)
    assert players and all(player.closed for player in players)


def test_a_dead_endpoint_stops_the_other_workers_too(tmp_path: Path) -> None:
    class Slow(Scripted):
        def play(self, item: Item, sample: int) -> EpisodeRecord:
            time.sleep(0.005)
            return super().play(item, sample)

    with pytest.raises(EndpointDown):
        run_episodes(ITEMS, 20, tmp_path / "o.jsonl", lambda: Slow([], Key("item/0", 0)), 3)
    assert len(read_records(tmp_path / "o.jsonl")) < 100


def test_as_many_episodes_run_at_once_as_were_asked_for(tmp_path: Path) -> None:
    barrier = threading.Barrier(4, timeout=10)

    class Waiting(Scripted):
        def play(self, item: Item, sample: int) -> EpisodeRecord:
            barrier.wait()
            return super().play(item, sample)

    run_episodes(ITEMS, 1, tmp_path / "o.jsonl", lambda: Waiting([]), 4)


def test_progress_adds_up(tmp_path: Path) -> None:
    shown: list[Progress] = []
    run_episodes(ITEMS[:5], 1, tmp_path / "o.jsonl", lambda: Scripted([]), 2)
    run_episodes(ITEMS, 1, tmp_path / "o.jsonl", lambda: Scripted([]), 2, shown.append)
    assert shown[-1].done == shown[-1].total == 20


def test_episodes_of_another_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text(to_line(EpisodeRecord("stranger", 0, (), "1", True, False, "", 0.0)))
    with pytest.raises(BenchmarkError, match="1 episodes that this run does not ask for, such as sample 0 of stranger"):
        run_episodes(ITEMS, 1, path, lambda: Scripted([]), 1)


PROGRAM = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from appo_benchmarks.benchmark import Item
    from appo_benchmarks.record import EpisodeRecord
    from appo_benchmarks.runner import run_episodes

    class Player:
        def play(self, item, sample):
            time.sleep(0.004)
            return EpisodeRecord(item.id, sample, (), item.id + "x" * 300, True, False, "", 0.0)
        def close(self):
            pass

    items = [Item(f"item/{place}", "Q", ("1",)) for place in range(150)]
    print("ready", flush=True)
    run_episodes(items, 2, Path(sys.argv[1]), Player, 4)
    """
)


def test_kills_at_random_points_lose_and_repeat_nothing(tmp_path: Path) -> None:
    rng, items = random.Random(0), [Item(f"item/{place}", "Q", ("1",)) for place in range(150)]
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    subprocess.run([sys.executable, "-c", PROGRAM, str(whole)], check=True, stdout=subprocess.DEVNULL)
    seen: set[Key] = set()
    deaths = 0
    while pending(items, 2, killed):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(killed)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.02, 0.2))
            os.kill(process.pid, signal.SIGKILL)
        deaths += process.returncode == -signal.SIGKILL
        now = {record.key for record in read_records(killed)}
        assert seen <= now
        seen = now
    assert deaths >= 2
    assert outputs_checksum(read_records(killed)) == outputs_checksum(read_records(whole))
