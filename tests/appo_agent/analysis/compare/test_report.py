from pathlib import Path

import numpy as np
import pytest

from appo_agent.analysis.compare.findings import Findings, find
from appo_agent.analysis.compare.outcome import CurvePoint
from appo_agent.analysis.compare.plots import draw, mean_curve
from appo_agent.analysis.compare.report import markdown, summary
from appo_agent.analysis.compare.results_dir import ResultsDir
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.analysis.compare.stages import confirm, explore, pilot

from .synthetic import outcome, toy_spec, truth


def found(folder: Path, spec: CompareSpec) -> Findings:
    run = truth()
    results = ResultsDir.begin(folder, spec)
    explore(spec, results, run)
    pilot(spec, results, run)
    return find(spec, results, confirm(spec, results, run))


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return found(tmp_path_factory.mktemp("toy"), toy_spec())


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_summary_says_what_follows(findings: Findings) -> None:
    right, null = summary(findings).splitlines()
    assert right.startswith("easy: right - plain  +") and right.endswith("better, and the estimate reaches the target")
    assert null.startswith("easy: null - plain ") and null.endswith(
        "not better by the target: the interval excludes it"
    )


def test_the_report_shows_every_difference_and_what_was_decided_before(findings: Findings) -> None:
    text = markdown(findings)
    lines = text.splitlines()
    pairs = findings.protocol.pairs["easy"]
    assert f"- easy: {pairs} pairs; the pilot asked for" in text
    primary = next(cells_of(line) for line in lines if line.startswith("| easy | right - plain"))
    assert primary[2] == str(pairs) and primary[-1] == "better, and the estimate reaches the target"
    assert 0 < float(primary[5]) < 0.05 and 0 < float(primary[7]) < 1


def test_arms_are_shown_with_means_and_pass_at_k(findings: Findings) -> None:
    lines = markdown(findings).splitlines()
    head = next(cells_of(line) for line in lines if line.startswith("| arm | seeds"))
    assert head == ["arm", "seeds", "before", "after", "points over plain", "pass@1", "pass@2"]
    plain = next(cells_of(line) for line in lines if line.startswith("| plain |"))
    mean = np.mean([each.after for each in findings.of("easy", "plain")])
    assert plain[2:6] == ["0.300", f"{mean:.3f}", "-", f"{mean:.3f}"]
    control = next(cells_of(line) for line in lines if line.startswith("| control |"))
    assert control[4].startswith("-") and "[" in control[4]


def test_costs_are_shown_with_shares(findings: Findings) -> None:
    lines = [line for line in markdown(findings).splitlines() if line.startswith("| right | 100")]
    assert [cells_of(line) for line in lines] == [
        ["right", "100", "25%", "40", "8", "80", "50%", "1", "50%", "30", "+0%"]
    ]


def test_the_chosen_rate_is_bold(findings: Findings) -> None:
    line = next(line for line in markdown(findings).splitlines() if line.startswith("| easy | plain |"))
    low, high = cells_of(line)[2:]
    assert high.startswith("**") and not low.startswith("**") and float(high.strip("*")) > float(low)


def test_rates_at_the_edge_of_the_grid_are_named(tmp_path: Path) -> None:
    # 1e-4 is worse than all others, which are equal: the smallest of them is chosen.
    for grid, edge in (([1e-4, 2e-4], False), ([1e-4, 2e-4, 4e-4], False), ([2e-4, 3e-4, 4e-4], True)):
        text = markdown(found(tmp_path / str(grid), toy_spec(learning_rates=grid)))
        line = next(line for line in text.splitlines() if "Mean validation success" in line)
        assert ("At the edge" in line) == edge
        assert line.endswith("right on easy, null on easy, plain on easy.") == edge


def test_an_arm_is_also_compared_with_the_arm_whose_rate_it_takes(tmp_path: Path) -> None:
    arms = {
        "right": {"algorithm": "appo"},
        "plain": {"algorithm": "grpo"},
        "control": {"algorithm": "appo", "rate_of": "right", "plan": {"criterion": "random"}},
    }
    spec = toy_spec(arms=arms, primaries=[["right", "plain"]], exploratory_pairs=4)
    findings = found(tmp_path, spec)
    assert [(each.first, each.second, len(each.differences)) for each in findings.differences[1:]] == [
        ("control", "plain", 4),
        ("control", "right", 4),
    ]
    line = next(line for line in markdown(findings).splitlines() if line.startswith("| easy | control - right"))
    pair = findings.differences[2]
    assert cells_of(line)[2] == "4" and cells_of(line)[3].startswith(f"{100 * pair.mean:+.1f} [")
    by_hand = [
        findings.of("easy", "control")[place].after - findings.of("easy", "right")[place].after for place in range(4)
    ]
    assert pair.mean == pytest.approx(np.mean(by_hand)) and pair.answer == "exploratory"


def test_every_picture_is_drawn(findings: Findings, tmp_path: Path) -> None:
    pictures = draw(findings, tmp_path)
    assert [path.name for path in pictures] == ["differences.png", "curves_easy.png", "pass_at_k_easy.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_a_mean_curve_ends_where_the_shortest_run_does() -> None:
    short, long = outcome(0.8), outcome(0.6)
    points = tuple(CurvePoint(*point)._replace(tokens=2 * point.tokens) for point in long.curve)
    long = type(long)(**{**long.__dict__, "curve": points})
    places, success = mean_curve([short, long], "tokens")
    # Both have seen 100 tokens; there one is at .8, the other at .4.
    assert (places[0], places[-1]) == (100.0, 100.0)
    assert success[-1] == pytest.approx(0.6)


def test_runs_without_validations_have_no_curve() -> None:
    places, success = mean_curve([], "tokens")
    assert len(places) == len(success) == 0
