"""Fetching pins a commit, never overwrites what is not its own, and leaves gated sets to those who may have them."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.fetch import fetch
from appo_benchmarks.loaders import load_items
from appo_benchmarks.registry import BENCHMARKS, benchmark_of

from appo_agent.commands.main import main
from appo_envs.errors import TaskError
from appo_envs.tasks.hub import HubAddress, Rows

GSM8K = benchmark_of("gsm8k")
NOW, LATER = "a" * 40, "b" * 40
ROWS = [{"question": f"How many are {n} and 1?", "answer": f"#### {n + 1}"} for n in range(3)]


class Hub:
    """A hub with one data set whose main branch moves."""

    def __init__(self) -> None:
        self.main = NOW
        self.loaded: list[HubAddress] = []

    def load(self, where: HubAddress) -> Mapping[str, Rows]:
        self.loaded.append(where)
        return {"train": ROWS[:1], "test": ROWS}

    def commit(self, name: str, revision: str) -> str:
        return self.main


def test_the_newest_commit_is_fetched_once_and_kept_when_the_branch_moves(tmp_path: Path) -> None:
    hub = Hub()
    first = fetch(GSM8K, tmp_path, load=hub.load, commit=hub.commit)
    assert first == (tmp_path / "gsm8k" / "test.jsonl", 3, NOW)
    assert [(one.name, one.revision) for one in hub.loaded] == [("openai/gsm8k", NOW)]
    hub.main = LATER
    assert fetch(GSM8K, tmp_path, load=hub.load, commit=hub.commit) == first and len(hub.loaded) == 1
    loaded = load_items(GSM8K, tmp_path)
    assert loaded.revision == NOW and [item.golds for item in loaded.items] == [("1",), ("2",), ("3",)]


def test_another_revision_wants_another_folder(tmp_path: Path) -> None:
    hub = Hub()
    fetch(GSM8K, tmp_path, NOW, load=hub.load, commit=hub.commit)
    with pytest.raises(BenchmarkError, match=f"is revision {NOW}, not {LATER}; give another --data-dir"):
        fetch(GSM8K, tmp_path, LATER, load=hub.load, commit=hub.commit)


def test_a_file_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gsm8k" / "test.jsonl"
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(BenchmarkError, match="is there and was not fetched"):
        fetch(GSM8K, tmp_path, load=Hub().load, commit=Hub().commit)
    assert path.read_text() == "mine"


def test_a_fetched_file_that_was_edited_is_noticed(tmp_path: Path) -> None:
    path = fetch(GSM8K, tmp_path, load=Hub().load, commit=Hub().commit).path
    path.write_text(path.read_text().replace("#### 1", "#### 2"))
    with pytest.raises(BenchmarkError, match="was changed since it was fetched"):
        load_items(GSM8K, tmp_path)
    (path.parent / "source.json").write_text("{}")
    with pytest.raises(BenchmarkError, match="is no note of a download"):
        load_items(GSM8K, tmp_path)


def test_a_download_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    hub = Hub()
    path = fetch(GSM8K, tmp_path, load=hub.load, commit=hub.commit).path
    path.unlink()
    hub.main = LATER
    assert fetch(GSM8K, tmp_path, load=hub.load, commit=hub.commit).revision == NOW and path.is_file()


@pytest.mark.parametrize("name", [name for name, one in BENCHMARKS.items() if one.access])
def test_gated_sets_are_never_written_and_their_way_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "fetch", name, "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert BENCHMARKS[name].access in said and f"--data-dir {tmp_path}" in said and BENCHMARKS[name].canary in said
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_loaded_leaves_nothing_behind(tmp_path: Path) -> None:
    def offline(where: HubAddress) -> Mapping[str, Rows]:
        raise TaskError("no network")

    with pytest.raises(BenchmarkError, match="gsm8k: no network"):
        fetch(GSM8K, tmp_path, NOW, load=offline)
    with pytest.raises(BenchmarkError, match="has no split 'test'; there are train"):
        fetch(GSM8K, tmp_path, NOW, load=lambda where: {"train": ROWS})
    with pytest.raises(BenchmarkError, match="test/0 cannot be written as JSON"):
        fetch(GSM8K, tmp_path, NOW, load=lambda where: {"test": [{"image": b"x"}]})
    assert list(tmp_path.iterdir()) == []


def test_the_revision_is_in_the_note_beside_the_file(tmp_path: Path) -> None:
    fetch(GSM8K, tmp_path, NOW, load=Hub().load)
    note = json.loads((tmp_path / "gsm8k" / "source.json").read_text())
    assert (note["hub"], note["revision"]) == ("openai/gsm8k", NOW)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").write_text("a file where a folder should be")
    with pytest.raises(BenchmarkError, match="cannot be written"):
        fetch(GSM8K, tmp_path, load=Hub().load, commit=Hub().commit)


def test_a_data_set_that_is_code_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def load(where: HubAddress) -> Mapping[str, Rows]:
        raise RuntimeError("Dataset scripts are no longer supported, but found 2WikiMultihopQA.py")

    with pytest.raises(BenchmarkError, match=r"cannot be read: Dataset scripts .*; take it from its authors"):
        fetch(benchmark_of("2wikimultihopqa"), tmp_path, load=load, commit=Hub().commit)
    assert not list(tmp_path.iterdir())


def test_a_hub_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    assert main(["bench", "fetch", "gsm8k", "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "does not say which commit 'main' of openai/gsm8k is" in said and said.count("\n") == 1
