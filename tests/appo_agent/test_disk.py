"""A full disk is one error that names the file. /dev/full refuses every byte."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from appo_agent.analysis.compare.outcome import write_outcome
from appo_agent.analysis.compare.results_dir import write_json
from appo_agent.disk import writing
from appo_agent.errors import RunError
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.training.metrics import MetricsLog
from appo_agent.training.run_dir import RunDir
from appo_agent.training.run_files import write_step_records
from appo_agent.training.trainer import StepResult
from tests.appo_agent.analysis.compare.synthetic import outcome

FULL = Path("/dev/full")
FOUND = outcome(0.5)
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def rewinding(run: RunDir) -> Callable[[], None]:
    log = MetricsLog(run.metrics)
    log.append(1, {"a": 1.0})
    return partial(log.truncate_after, 1)


def step_records(run: RunDir) -> Callable[[], None]:
    return partial(write_step_records, run, 1, StepResult([], [], {}), WordTokenizer.from_vocabulary(["a"]))


@pytest.mark.parametrize(
    ("full", "named", "writer"),
    [
        ("metrics.jsonl", "metrics.jsonl", lambda run: partial(MetricsLog(run.metrics).append, 1, {"a": 1.0})),
        (".metrics.jsonl.partial", "metrics.jsonl", rewinding),
        ("phases.log", "phases.log", lambda run: partial(run.log_phase, "train")),
        ("config.toml", "config.toml", lambda run: partial(run.write_config, "seed = 1")),
        ("records/.step_000001.msgpack.partial", "step_000001.msgpack", step_records),
        ("transcripts/step_000001.txt", "step_000001.txt", step_records),
        ("rates.json.partial", "rates.json", lambda run: partial(write_json, run.path / "rates.json", {})),
        ("outcome.json.partial", "outcome.json", lambda run: partial(write_outcome, run.path / "outcome.json", FOUND)),
    ],
)
def test_a_full_disk_names_the_file(
    tmp_path: Path, full: str, named: str, writer: Callable[[RunDir], Callable[[], None]]
) -> None:
    run = RunDir.create(tmp_path / "run")
    write = writer(run)
    # Only now: reading /dev/full has no end.
    (run.path / full).symlink_to(FULL)
    with pytest.raises(RunError, match=f"cannot write .*{named}: No space left on device; put that right, then"):
        write()


def test_a_lock_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run")
    (run.path / "run.lock").mkdir()
    with pytest.raises(RunError, match="cannot write .*run.lock: Is a directory"), run.lock():
        pass


def test_what_is_no_matter_of_the_disk_passes() -> None:
    with pytest.raises(KeyError), writing(Path("x")):
        raise KeyError
