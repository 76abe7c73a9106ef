"""What a cell's program leaves in the cell's folder."""

from pathlib import Path

import pytest

from appo_agent.analysis.compare import cell_run
from appo_agent.analysis.compare.outcome import read_outcome
from appo_agent.analysis.statistics import Interval
from appo_agent.errors import RunError
from appo_agent.evaluation import EvaluationResult
from appo_agent.training.run_dir import RunDir

FOUND = EvaluationResult(8, 0.5, Interval(0.2, 0.8), 0.0, 0.0, 0.0, 1.0, 20.0, 0)


def test_a_cell_has_spent_what_all_its_programs_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter([130, RunError("the disk is full"), 0])

    def trained(words: object) -> int:
        directory = RunDir.create(tmp_path / "run")
        directory.write_config("")
        code = next(codes)
        if isinstance(code, RunError):
            raise code
        return code

    monkeypatch.setattr(cell_run.train, "run", trained)
    monkeypatch.setattr(cell_run, "_evaluations", lambda directory: (FOUND, FOUND))
    monkeypatch.setattr(cell_run, "_cpu", lambda: 5.0)
    assert cell_run.run_cell(tmp_path) == 130
    with pytest.raises(RunError, match="the disk is full"):
        cell_run.run_cell(tmp_path)
    assert not (tmp_path / "outcome.json").exists()
    assert cell_run.run_cell(tmp_path) == 0
    assert read_outcome(tmp_path / "outcome.json").spent.cpu_seconds == 15.0
