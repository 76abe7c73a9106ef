import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from appo_agent.analysis.compare.findings import find, read_findings, write_findings
from appo_agent.analysis.compare.results_dir import ResultsDir
from appo_agent.analysis.compare.stages import confirm, explore, pilot
from tests.appo_agent.analysis.compare.synthetic import toy_spec, truth

ROOT = Path(__file__).parents[2]


@pytest.fixture
def evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with one comparison on file and a page of its own."""
    location = importlib.util.spec_from_file_location("evidence", ROOT / "benchmarks" / "evidence.py")
    assert location is not None and location.loader is not None
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    spec, run = toy_spec(), truth()
    folder = ResultsDir.begin(tmp_path / "toy", spec)
    explore(spec, folder, run)
    pilot(spec, folder, run)
    (tmp_path / "results").mkdir()
    write_findings(find(spec, folder, confirm(spec, folder, run)), tmp_path / "results" / "compare_toy.json")
    shutil.copy(ROOT / "benchmarks" / "results" / "diagnose_sql_70.json", tmp_path / "results")
    for name, path in (("RESULTS", "results"), ("PAGE", "evidence.md"), ("PICTURES", "pictures")):
        monkeypatch.setattr(module, name, tmp_path / path)
    return module


def test_the_page_of_the_repository_is_what_its_figures_say() -> None:
    subprocess.run([sys.executable, str(ROOT / "benchmarks" / "evidence.py"), "--check"], check=True, cwd=ROOT)


def test_the_page_has_answers_tables_and_pictures_and_damage_is_found(
    evidence: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evidence.py"])
    assert evidence.main() == 0
    text = evidence.PAGE.read_text()
    assert "    - easy: right - plain  +" in text
    assert "## Comparison `toy`" in text and "### Primary differences" in text
    assert "![differences](evidence/toy/differences.png)" in text
    assert (evidence.PICTURES / "toy" / "differences.png").is_file()
    assert "| diagnosis | branching_score_strict |" in text and "| sql_70 | 0.29 |" in text
    assert "![chosen_tokens](evidence/diagnose_sql_70/chosen_tokens.png)" in text
    assert (evidence.PICTURES / "diagnose_sql_70" / "chosen_tokens.png").is_file()
    monkeypatch.setattr(sys, "argv", ["evidence.py", "--check"])
    assert evidence.main() == 0
    for spoil in (
        lambda: evidence.PAGE.write_text(text.replace("better", "much better")),
        lambda: (evidence.PICTURES / "toy" / "differences.png").unlink(),
    ):
        spoil()
        assert evidence.main() == 1
        assert "run `python benchmarks/evidence.py`" in capsys.readouterr().err
        evidence.PAGE.write_text(text)


def test_without_comparisons_the_page_says_so(evidence: ModuleType) -> None:
    assert "No comparison is on file yet." in evidence.page([], {})
    findings = read_findings(evidence.RESULTS / "compare_toy.json")
    assert "No comparison is on file yet." not in evidence.page([findings], {})
