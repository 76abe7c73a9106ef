"""Folders of results as a page: what is shown, in which order, and that nothing in them becomes markup."""

from pathlib import Path

import pytest

from appo_agent.commands.main import main
from appo_agent.errors import RunError
from appo_agent.report import results_page
from appo_agent.report.results_page import is_results_folder, result_files, results_document
from tests.appo_agent.report.runs import HOSTILE, write_run

PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    (results / "cells").mkdir(parents=True)
    (results / "curves.png").write_bytes(PNG)
    (results / "summary.csv").write_text("algorithm,success,seeds\nappo,0.87654321,3\n")
    (results / "summary.json").write_text('{"appo": 1}')
    (results / "cells" / "b.csv").write_text("x\n1\n")
    (results / "notes.txt").write_text("not shown")
    write_run(results / "cells" / "run")
    return results


def _page(folder: Path) -> str:
    return "".join(results_document(folder))


def test_pictures_come_first_then_tables_then_figures_and_runs_are_left_out(folder: Path) -> None:
    names = [str(path.relative_to(folder)) for path in result_files(folder)]
    assert names == ["curves.png", "cells/b.csv", "summary.csv", "summary.json"]
    page = _page(folder)
    assert "data:image/png;base64,iVBORw0KGgpyZXN0" in page
    assert "<tr><td>appo</td><td>0.8765</td><td>3</td></tr>" in page
    assert "{&quot;appo&quot;: 1}" in page and "not shown" not in page


def test_nothing_in_a_folder_becomes_markup(folder: Path) -> None:
    (folder / "hostile.md").write_text(HOSTILE, "utf-8", "replace")
    (folder / "hostile.csv").write_text('"<img src=x onerror=1>","</table><script>1</script>"\n')
    (folder / "<b>name.csv").write_text("a\n")
    (folder / "fake.png").write_text("<svg onload=1>")
    page = _page(folder)
    assert "<script" not in page and "<img src=x" not in page and "<svg" not in page and "<b>" not in page
    assert page.count("<table>") == page.count("</table>") == 4
    assert "default-src 'none'" in page and "not a PNG" in page


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "outside").symlink_to(tmp_path)
    assert not {"link.json", "secret.json"} & {path.name for path in result_files(folder)}


def test_large_files_and_long_tables_are_cut_and_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "long.csv").write_text("n\n" + "1\n" * 1500)
    assert "and 500 rows more" in _page(folder)
    monkeypatch.setattr(results_page, "LARGEST", 10)
    assert "not shown: larger than" in _page(folder)


def test_runs_and_empty_folders_are_no_results(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert is_results_folder(folder)
    assert not is_results_folder(folder / "cells" / "run") and not is_results_folder(tmp_path / "empty")
    with pytest.raises(RunError, match="neither a run nor a folder of results"):
        _page(tmp_path / "empty")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'"unclosed\n', b"a,b\n1\n1,2,3\n"])
def test_any_bytes_are_a_table_of_some_kind(folder: Path, content: bytes) -> None:
    (folder / "odd.csv").write_bytes(content)
    assert "odd.csv" in _page(folder)


def test_the_command_writes_the_page_and_refuses_to_mix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "report.html").write_text("of whoever wrote the results")
    assert main(["view", str(folder)]) == 0
    assert "4 files" in capsys.readouterr().out
    assert (folder / "results.html").read_text().startswith("<!doctype html>")
    assert (folder / "report.html").read_text() == "of whoever wrote the results"
    assert main(["view", str(folder), str(folder / "cells" / "run")]) == 2
    assert "is a folder of results" in capsys.readouterr().err
