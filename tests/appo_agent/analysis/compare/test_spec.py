import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

from appo_agent.analysis.compare.cells import Cell, cell_config, confirm_cells, explore_cells, pilot_cells
from appo_agent.analysis.compare.check import check_cells
from appo_agent.analysis.compare.results_dir import ResultsDir
from appo_agent.analysis.compare.spec import load_spec, spec_names, spec_of
from appo_agent.errors import ConfigError, RunError

from .synthetic import TABLE, toy_spec

SQL, SQL_MODULE = "examples/Sql-v0", "examples.sql_env"


def test_a_specification_gives_flags_and_questions() -> None:
    spec = toy_spec(settings={"token_budget": 500, "cold_start": {"steps": 3}})
    assert spec.settings == ("--token_budget", "500", "--cold_start.steps", "3")
    assert spec.arm("null").flags == ("--algorithm", "appo", "--plan.criterion", "random")
    assert spec.rates_arm("control") == "plain" and spec.rates_arm("right") == "right"
    assert spec.primary_arms == ("right", "null", "plain")
    assert spec.test_alpha == 0.025


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"pilot_seeds": [1, 12]}, "seed 1 is in explore_seeds and in pilot_seeds"),
        ({"confirm_seeds": [100, 100]}, "seed 100 is in confirm_seeds and in confirm_seeds"),
        ({"confirm_seeds": [100]}, "at least two confirm_seeds"),
        ({"pilot_seeds": [10]}, "one pilot seed shows no spread"),
        ({"primaries": [["rihgt", "plain"]]}, "no arm 'rihgt'; did you mean 'right'"),
        ({"primaries": [["plain", "plain"]]}, "compared with itself"),
        ({"learning_rate": [1e-4]}, "unknown key 'learning_rate'; did you mean 'learning_rates'"),
        ({"explore_seeds": []}, "needs explore_seeds"),
        ({"arms": {"right": {"algorithm": "appo"}}, "primaries": [["right", "right"]]}, "at least two arms"),
        ({"arms": {**TABLE["arms"], "odd": {}}}, "arms.odd names no algorithm"),
        (
            {"arms": {**TABLE["arms"], "odd": {"algorithm": "grpo", "rate_of": "control"}}},
            "'control' explores no rates",
        ),
        ({"environments": {"a/b": {}}}, "cannot name a folder"),
        ({"explore_seeds": [-1]}, "whole numbers of 0 or more"),
        ({"target_difference": 0.0}, "must be above 0"),
        ({"primaries": [["right"]]}, "wrong form"),
    ],
)
def test_impossible_specifications_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        toy_spec(**changes)


def test_missing_keys_are_named() -> None:
    with pytest.raises(ConfigError, match="missing: arms"):
        spec_of({key: value for key, value in TABLE.items() if key != "arms"})


def test_unknown_files_are_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'smoek'; did you mean 'smoke'"):
        load_spec("smoek")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(ConfigError, match=r"broken.toml is not valid TOML"):
        load_spec(str(broken))


@pytest.fixture
def example_forgotten() -> Iterator[None]:
    """Other tests load the example under another name, and an id is taken once."""
    kept = gymnasium.registry.pop(SQL, None), sys.modules.pop(SQL_MODULE, None)
    yield
    gymnasium.registry.pop(SQL, None)
    sys.modules.pop(SQL_MODULE, None)
    if kept[0] is not None:
        gymnasium.registry[SQL] = kept[0]
    if kept[1] is not None:
        sys.modules[SQL_MODULE] = kept[1]


@pytest.mark.parametrize("name", spec_names())
def test_every_shipped_specification_can_run(
    name: str, monkeypatch: pytest.MonkeyPatch, example_forgotten: None
) -> None:
    monkeypatch.chdir(Path(__file__).parents[4])
    monkeypatch.syspath_prepend(".")
    check_cells(load_spec(name))


def test_cells_of_each_stage() -> None:
    spec = toy_spec()
    rates = {("easy", arm): 2e-4 for arm in spec.arm_names}
    explored = explore_cells(spec)
    # Three arms explore, two rates, two seeds.
    assert len(explored) == len({cell.path for cell in explored}) == 12
    assert explored[0].path == Path("cells/explore/easy/right/rate_0.0001/seed_1")
    assert len(pilot_cells(spec, rates)) == 9
    assert len(confirm_cells(spec, rates, {"easy": 7})) == 28
    assert explore_cells(toy_spec(learning_rates=[1e-4])) == []


def test_exploratory_arms_run_on_the_first_seeds_alone_and_after_all_primary_ones() -> None:
    spec = toy_spec(exploratory_pairs=3)
    cells = confirm_cells(spec, {("easy", arm): 2e-4 for arm in spec.arm_names}, {"easy": 7})
    assert [cell.arm for cell in cells[:21]] == ["right", "null", "plain"] * 7
    assert [(cell.arm, cell.seed) for cell in cells[21:]] == [("control", 100), ("control", 101), ("control", 102)]
    # Never more than there are pairs.
    assert len(confirm_cells(spec, {("easy", arm): 2e-4 for arm in spec.arm_names}, {"easy": 2})) == 8


def test_cells_differ_in_what_is_compared_and_share_the_cold_start(tmp_path: Path) -> None:
    spec = toy_spec(settings={"token_budget": 900})
    right = cell_config(spec, Cell("confirm", "easy", "right", 2e-4, 100), tmp_path)
    plain = cell_config(spec, Cell("confirm", "easy", "plain", 1e-4, 100), tmp_path)
    assert (right.algorithm, plain.algorithm) == ("appo", "grpo")
    assert (right.optimizer.learning_rate, plain.optimizer.learning_rate) == (2e-4, 1e-4)
    assert right.seed == plain.seed == 100 and right.token_budget == plain.token_budget == 900
    assert right.cold_start == plain.cold_start
    assert right.cold_start.steps == 0
    assert Path(right.cold_start.policy) == tmp_path / "cells/base/easy/cold_start/seed_100/run/policy"
    assert right.evaluation.split == "test"


def test_the_cold_start_is_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = cell_config(toy_spec(), Cell("confirm", "easy", "plain", 1e-4, 100), Path("results"))
    assert config.cold_start.policy == str(tmp_path / "results/cells/base/easy/cold_start/seed_100/run/policy")


def test_only_confirmatory_cells_see_the_test_split(tmp_path: Path) -> None:
    for stage in ("explore", "pilot"):
        cell = Cell(stage, "easy", "plain", 1e-4, 1)  # type: ignore[arg-type]
        assert cell_config(toy_spec(), cell, tmp_path).evaluation.split == "validation"


def test_the_cold_start_is_trained_for_nothing_else(tmp_path: Path) -> None:
    spec = toy_spec(settings={"cold_start": {"steps": 7}})
    base = cell_config(spec, Cell("confirm", "easy", "right", 2e-4, 100).base, tmp_path)
    assert (base.token_budget, base.cold_start.steps, base.seed) == (0, 7, 100)


def test_impossible_arms_are_found_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="arm right in environment easy: a budget of 10 tokens is not enough"):
        check_cells(toy_spec(settings={"token_budget": 10}))
    arms = {**TABLE["arms"], "right": {"algorithm": "appo", "plan": {"initial": 99}}}
    with pytest.raises(ConfigError, match="arm right in environment easy"):
        check_cells(toy_spec(arms=arms))
    with pytest.raises(ConfigError, match="arm right in environment easy: .*Nowhere-v0"):
        check_cells(toy_spec(environments={"easy": {"env": "appo/Nowhere-v0"}}))


def test_a_folder_of_another_specification_is_refused_with_the_difference(tmp_path: Path) -> None:
    ResultsDir.begin(tmp_path / "r", toy_spec())
    ResultsDir.begin(tmp_path / "r", toy_spec())
    before = (tmp_path / "r" / "comparison.json").read_bytes()
    with pytest.raises(RunError, match=r"spec.target_difference was 0.04, is 0.05. Choose another folder"):
        ResultsDir.begin(tmp_path / "r", toy_spec(target_difference=0.05))
    assert (tmp_path / "r" / "comparison.json").read_bytes() == before


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    results = ResultsDir.begin(tmp_path / "r", toy_spec())
    text = results.comparison.read_text()
    results.comparison.write_text(text.replace('"version": "', '"version": "0.0.'))
    with pytest.raises(RunError, match="version was"):
        ResultsDir.begin(tmp_path / "r", toy_spec())


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="is not empty and holds no comparison"):
        ResultsDir.begin(tmp_path, toy_spec())
