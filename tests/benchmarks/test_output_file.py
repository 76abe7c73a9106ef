"""Records come back as they were, and a file that was cut off or tampered with is noticed."""

import errno
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.output_file import LineFile, read_attempts, read_records
from appo_benchmarks.record import EpisodeRecord, TurnRecord, from_line, to_line
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(), max_size=30)


def record(item: str = "a", sample: int = 0, action: str = "\\boxed{1}", answer: str | None = "1") -> EpisodeRecord:
    return EpisodeRecord(item, sample, (TurnRecord(action, "", "stop", 3, 2),), answer, True, False, "", 0.5)


@given(TEXTS, TEXTS, st.none() | TEXTS, st.lists(TEXTS, max_size=3), st.floats(0, 1e6))
def test_a_record_is_one_line_and_comes_back(
    item: str, error: str, answer: str | None, actions: list[str], seconds: float
) -> None:
    turns = tuple(TurnRecord(action, action, "stop", 1, 2, 3, 1) for action in actions)
    made = EpisodeRecord(item, 2, turns, answer, True, False, error, seconds, "documents")
    line = to_line(made)
    assert line.count("\n") == 1 and line.isascii() and from_line(line, "here") == made


def test_lone_surrogates_survive() -> None:
    assert from_line(to_line(record(action="\ud800")), "here").turns[0].action == "\ud800"


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"turns": [{}]}', "[" * 100_000, to_line(record()).replace("item", "thing")]
)
def test_what_is_no_record_is_said_with_its_place(line: str) -> None:
    with pytest.raises(BenchmarkError, match=r"outputs.jsonl:3: this is no record"):
        from_line(line, "outputs.jsonl:3")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"answer":"1"', '"answer":7', "answer: expected str or NoneType, got 7"),
        ('"seconds":0.5', '"seconds":"x"', "seconds: expected float or int, got 'x'"),
        ('"format_ok":true', '"format_ok":1', "format_ok: expected bool, got 1"),
        ('"sample":0', '"sample":false', "sample: expected int, got False"),
        ('"prompt_tokens":3', '"prompt_tokens":null', "prompt_tokens: expected int, got None"),
    ],
)
def test_a_value_of_another_kind_is_said(old: str, new: str, words: str) -> None:
    line = to_line(record())
    assert old in line
    with pytest.raises(BenchmarkError, match=f"o.jsonl:3: this is no record of an episode: {words}"):
        from_line(line.replace(old, new), "o.jsonl:3")


def test_a_whole_number_of_seconds_is_a_time() -> None:
    assert from_line(to_line(record()).replace('"seconds":0.5', '"seconds":2'), "here").seconds == 2


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    records = [record("a"), record("a", 1), record("b")]
    for part in (records[:2], records[2:]):
        with LineFile(path) as outputs:
            for one in part:
                outputs.append(to_line(one))
    assert list(read_records(path)) == records


def test_a_record_is_on_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    with LineFile(path) as outputs:
        outputs.append(to_line(record("a")))
        for _ in range(500):
            if read_records(path):
                break
            time.sleep(0.01)
        assert read_records(path) == (record("a"),)


def test_a_line_that_was_cut_off_is_removed_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    whole, torn = to_line(record("a")), to_line(record("b"))
    for cut in (1, len(torn) // 2, len(torn) - 1):
        path.write_text(whole + torn[:cut])
        assert read_records(path) == (record("a"),)
        with LineFile(path) as outputs:
            outputs.append(to_line(record("c")))
        assert read_records(path) == (record("a"), record("c"))


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    path.write_text(to_line(record("a"))[:-5] + "\n" + to_line(record("b")))
    with pytest.raises(BenchmarkError, match=r"outputs.jsonl:1: this is no record"):
        read_records(path)


def test_an_episode_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    path.write_text(to_line(record("a")) + to_line(record("a", answer="2")))
    with pytest.raises(BenchmarkError, match=r":2: sample 0 of a is on line 1 already"):
        read_records(path)


def test_an_episode_that_failed_gives_way_to_a_later_try(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    failed, tried = replace(record("a"), error="RequestRefused: 500"), record("a")
    path.write_text(to_line(failed) + to_line(record("b")) + to_line(failed) + to_line(tried))
    assert read_records(path) == (tried, record("b"))
    assert read_attempts(path) == (failed, record("b"), failed, tried)
    path.write_text(path.read_text() + to_line(failed))
    with pytest.raises(BenchmarkError, match=r":5: sample 0 of a is on line 4 already"):
        read_records(path)


def test_two_processes_cannot_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    with LineFile(path), pytest.raises(BenchmarkError, match="being written by another process"):
        LineFile(path)
    with LineFile(path):
        pass


def test_a_disk_that_is_full_is_an_error_and_not_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    outputs = LineFile(tmp_path / "outputs.jsonl")
    outputs.append(to_line(record()))
    with pytest.raises(BenchmarkError, match="cannot write"):
        outputs.close()


def test_after_a_failure_nothing_is_written_behind_a_line_that_may_be_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, waiting, full = tmp_path / "outputs.jsonl", threading.Event(), threading.Event()

    def fails_later(descriptor: int) -> None:
        waiting.set()
        assert full.wait(30)
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", fails_later)
    outputs = LineFile(path)
    outputs.append(to_line(record("a")))
    assert waiting.wait(30)
    outputs.append(to_line(record("b")))
    full.set()
    with pytest.raises(BenchmarkError, match="cannot write"):
        outputs.close()
    assert read_records(path) == (record("a"),)


def test_a_disk_that_fills_up_keeps_what_was_written_and_says_so(tmp_path: Path) -> None:
    """In a process that may write files of 2,000 bytes only, which the system refuses as it does on a full disk."""
    path = tmp_path / "outputs.jsonl"
    code = """
        import resource, sys
        from pathlib import Path
        from appo_benchmarks.errors import BenchmarkError
        from appo_benchmarks.output_file import LineFile
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            with LineFile(Path(sys.argv[1])) as file:
                for line in sys.stdin:
                    file.append(line)
        except BenchmarkError as error:
            print(error)
    """
    # Few enough for Python's buffer, which keeps what it could not write and tries it once more when it is closed.
    records = [record("a", sample) for sample in range(15)]
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    lines = "".join(map(to_line, records))
    found = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
    assert "cannot write: [Errno 27]" in found.stdout and found.stderr == ""
    kept = read_records(path)
    assert len(kept) < 15 and list(kept) == records[: len(kept)]
    # With room again the run goes on behind what is whole.
    with LineFile(path) as file:
        for one in records[len(kept) :]:
            file.append(to_line(one))
    assert list(read_records(path)) == records


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="outputs.jsonl cannot be opened"):
        LineFile(tmp_path / "file" / "outputs.jsonl")
    with pytest.raises(BenchmarkError, match="cannot be read"):
        read_records(tmp_path)
