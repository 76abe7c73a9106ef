import json
from pathlib import Path

import pytest

from appo_agent.analysis.compare.cells import Cell
from appo_agent.analysis.compare.findings import Findings, find, read_findings, write_findings, write_table
from appo_agent.analysis.compare.results_dir import ResultsDir
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.analysis.compare.stages import confirm, explore, pilot, read_protocol, read_rates
from appo_agent.analysis.compare.verdict import answer_of
from appo_agent.analysis.statistics import Interval, paired_power, pairs_for_power
from appo_agent.errors import RunError

from .synthetic import GAIN, outcome, toy_spec, truth


def compared(folder: Path, spec: CompareSpec, noise: float = 0.02, gain: dict[str, float] = GAIN) -> Findings:
    results, run = ResultsDir.begin(folder, spec), truth(noise, gain)
    explore(spec, results, run)
    pilot(spec, results, run)
    return find(spec, results, confirm(spec, results, run))


def test_the_right_arm_wins_and_a_planted_null_does_not(tmp_path: Path) -> None:
    right, null, *others = compared(tmp_path / "toy", toy_spec()).differences
    assert (right.first, right.second, right.answer) == ("right", "plain", "yes")
    assert right.interval.low < 0.08 < right.interval.high
    # Holm: the smaller of two p values is doubled.
    assert right.p is not None and null.p is not None and right.p < null.p
    assert right.adjusted_p == pytest.approx(2 * right.p) and 2 * right.p < 0.05
    assert (null.first, null.answer) == ("null", "no")
    assert null.interval.low < 0 < null.interval.high < 0.04
    assert [(each.first, each.answer) for each in others] == [("control", "exploratory")]


def test_nulls_are_rarely_taken_for_differences(tmp_path: Path) -> None:
    """Two true nulls in each of 40 comparisons: with Holm's correction some difference is found in 5% of them."""
    false = 0
    for number in range(40):
        seeds = list(range(1000 + 16 * number, 1016 + 16 * number))
        findings = compared(tmp_path / str(number), toy_spec(confirm_seeds=seeds), 0.05, dict.fromkeys(GAIN, 0.0))
        false += any(each.answer in ("yes", "smaller", "worse") for each in findings.differences if each.primary)
    # The chance of more than 6 at a true rate of .05 is below .004.
    assert false <= 6


def test_the_better_rate_is_chosen_for_each_arm_and_shared_where_asked(tmp_path: Path) -> None:
    spec, results = toy_spec(), ResultsDir.begin(tmp_path, toy_spec())
    rates = explore(spec, results, truth())
    assert rates == read_rates(results) == {("easy", arm): 2e-4 for arm in GAIN}
    tried = json.loads(results.rates.read_text())["tried"]
    assert {each["arm"] for each in tried} == {"right", "null", "plain"}
    assert all(len(each["success"]) == 2 for each in tried)


def test_of_equal_rates_the_smaller_is_taken(tmp_path: Path) -> None:
    results = ResultsDir.begin(tmp_path, toy_spec())
    rates = explore(toy_spec(), results, lambda cells: [outcome(0.5) for _ in cells])
    assert set(rates.values()) == {1e-4}


def test_the_pilot_decides_how_many_pairs_are_run(tmp_path: Path) -> None:
    spec, results = toy_spec(), ResultsDir.begin(tmp_path, toy_spec())
    explore(spec, results, truth())
    # Differences of right and plain: .06, .10, .14, hence a deviation of .04; of null and plain: none.
    steps = {"right": [0.06, 0.10, 0.14], "null": [0.0, 0.0, 0.0], "plain": [0.0, 0.0, 0.0]}
    protocol = pilot(spec, results, lambda cells: [outcome(0.4 + steps[c.arm][c.seed - 10]) for c in cells])
    right, null = protocol.pilot
    assert right.deviation == pytest.approx(0.04) and right.mean == pytest.approx(0.1)
    # By the tables of one standard deviation: 13 pairs at .025.
    assert right.pairs == pairs_for_power(0.04, 0.04, 0.025) == 13
    # 2 / 2 ** 7 is below .025, 2 / 2 ** 6 is not.
    assert null.pairs == 7
    assert protocol.pairs == {"easy": 13}
    assert protocol.power["easy"] == pytest.approx(paired_power(13, 0.04, right.deviation, 0.025))


def test_with_too_few_seeds_the_power_says_so(tmp_path: Path) -> None:
    spec = toy_spec(confirm_seeds=[100, 101, 102, 103, 104])
    results = ResultsDir.begin(tmp_path, spec)
    explore(spec, results, truth())
    protocol = pilot(spec, results, truth(noise=0.1))
    assert protocol.pairs == {"easy": 5}
    assert protocol.power["easy"] < 0.3


def test_a_pilot_too_noisy_to_say_how_many_asks_for_all_that_there_are(tmp_path: Path) -> None:
    spec = toy_spec(target_difference=0.001)
    results = ResultsDir.begin(tmp_path, spec)
    explore(spec, results, truth())
    protocol = pilot(spec, results, truth(noise=0.3))
    assert protocol.pairs == {"easy": len(spec.confirm_seeds)}
    assert protocol.power["easy"] < 0.1


def test_a_protocol_on_file_is_never_written_again(tmp_path: Path) -> None:
    spec, results = toy_spec(), ResultsDir.begin(tmp_path, toy_spec())
    explore(spec, results, truth())
    first = pilot(spec, results, truth())

    def refuses(cells: object) -> list[object]:
        raise AssertionError("the pilot ran twice")

    assert pilot(spec, results, refuses) == first == read_protocol(results)  # type: ignore[arg-type]


def test_stages_that_were_not_run_are_named(tmp_path: Path) -> None:
    spec, results = toy_spec(), ResultsDir.begin(tmp_path, toy_spec())
    with pytest.raises(RunError, match="stage `explore`"):
        pilot(spec, results, truth())
    explore(spec, results, truth())
    with pytest.raises(RunError, match="stage `pilot`"):
        confirm(spec, results, truth())


def test_confirmatory_cells_take_primary_arms_first(tmp_path: Path) -> None:
    seen: list[Cell] = []

    def watch(cells: list[Cell]) -> list[object]:
        seen.extend(cells)
        return [outcome(0.5) for _ in cells]

    spec, results = toy_spec(pilot_seeds=[]), ResultsDir.begin(tmp_path, toy_spec(pilot_seeds=[]))
    explore(spec, results, truth())
    pilot(spec, results, truth())
    confirm(spec, results, watch)  # type: ignore[arg-type]
    assert [cell.arm for cell in seen[:4]] == ["right", "null", "plain", "right"]
    assert [cell.arm for cell in seen[48:]] == ["control"] * 16
    assert {cell.seed for cell in seen} == set(spec.confirm_seeds)


def test_what_follows_from_an_interval_and_a_p_value() -> None:
    spec = toy_spec()
    assert answer_of(0.05, Interval(0.03, 0.07), 0.01, spec) == "yes"
    assert answer_of(0.03, Interval(0.01, 0.05), 0.01, spec) == "smaller"
    assert answer_of(0.02, Interval(0.01, 0.03), 0.01, spec) == "no"
    assert answer_of(0.01, Interval(-0.01, 0.03), 0.5, spec) == "no"
    assert answer_of(0.03, Interval(-0.01, 0.07), 0.2, spec) == "open"
    assert answer_of(-0.03, Interval(-0.05, -0.01), 0.01, spec) == "worse"


def test_findings_are_read_back_as_they_were(tmp_path: Path) -> None:
    findings = compared(tmp_path / "toy", toy_spec())
    write_findings(findings, tmp_path / "kept.json")
    assert read_findings(tmp_path / "kept.json") == findings
    (tmp_path / "old.json").write_text('{"findings_version": 0}')
    with pytest.raises(RunError, match="run the comparison again"):
        read_findings(tmp_path / "old.json")


def test_the_table_has_a_line_a_cell(tmp_path: Path) -> None:
    findings = compared(tmp_path / "toy", toy_spec())
    write_table(findings, tmp_path / "cells.csv")
    lines = (tmp_path / "cells.csv").read_text().splitlines()
    assert lines[0].startswith("environment,arm,seed,rate,before,after,episodes,tokens")
    assert lines[0].endswith("seconds_generate,seconds_update")
    assert len(lines) == 1 + len(findings.outcomes)
