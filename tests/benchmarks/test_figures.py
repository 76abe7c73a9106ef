"""The figures of a benchmark, from episodes whose scores are known."""

from collections.abc import Sequence

import pytest
from appo_benchmarks.benchmark import Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.figures import BenchmarkFigures, Group, figures_of
from appo_benchmarks.record import EpisodeRecord
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.scoring import score_episodes

MATH = benchmark_of("math")
ITEMS = [Item("math/0", "?", ("-5",), "Level 1", "Algebra"), Item("math/1", "?", ("x - 1",), "Level 2", "Algebra")]


def played(item: int, sample: int, answer: str | None, error: str = "") -> EpisodeRecord:
    return EpisodeRecord(f"math/{item}", sample, (), answer, answer is not None, False, error, 1.0)


def figures(records: Sequence[EpisodeRecord], samples: int = 1, drop_failed: bool = False) -> BenchmarkFigures:
    scores = score_episodes(MATH, ITEMS, samples, records, {}, None)
    return figures_of(MATH, ITEMS, samples, records, scores, None, drop_failed)


def test_the_majority_tells_numbers_by_value_and_sign() -> None:
    records = [played(0, n, answer) for n, answer in enumerate(["-5", "5", "-5.0", "5", "-10/2"])]
    records += [played(1, n, answer) for n, answer in enumerate(["x - 1", "x+1", "x-1", "x + 1", "x +1"])]
    # Three of five say -5; three of five say x + 1, which is wrong.
    assert figures(records, samples=5).majority == 0.5


def test_missing_samples_are_failures_unless_they_are_left_out() -> None:
    records = [played(0, 0, "-5"), played(0, 1, "-5"), played(1, 0, "7")]
    found = figures(records, samples=2)
    assert (
        dict(found.outcomes)["missing"] == 1
        and found.headline == 0.5
        and found.failures == ("math/1#1: not played yet",)
    )
    kept = figures(records, samples=2, drop_failed=True)
    assert kept.left_out == 1 and kept.headline == 0.5
    # pass@2 is known for the item with two samples alone.
    assert [(one.k, one.value, one.items) for one in kept.pass_at] == [(1, 0.5, 2), (2, 1.0, 1)]


def test_a_level_of_which_nothing_is_left_has_no_figure() -> None:
    records = [played(0, 0, "-5"), played(1, 0, None, "refused")]
    assert [one for one in figures(records).groups if one.kind == "level"] == [
        Group("level", "Level 1", 1, 1.0),
        Group("level", "Level 2", 1, 0.0),
    ]
    left = figures(records, drop_failed=True).groups
    assert left == (Group("level", "Level 1", 1, 1.0), Group("subject", "Algebra", 1, 1.0))


def test_nothing_left_is_no_zero() -> None:
    records = [played(0, 0, None, "refused"), played(1, 0, None, "refused")]
    assert figures(records).headline == 0.0
    with pytest.raises(BenchmarkError, match="math: all 2 episodes failed or are missing, and none is left"):
        figures(records, drop_failed=True)


def test_all_outcomes_add_up_to_items_times_samples() -> None:
    records = [played(0, 0, "-5"), played(0, 1, None), played(1, 0, None, "refused")]
    outcomes = dict(figures(records, samples=3).outcomes)
    assert outcomes == {"answered": 1, "no answer": 1, "truncated": 0, "failed": 1, "missing": 3}


@pytest.mark.parametrize(
    ("answer", "value", "low", "high"),
    # By hand, z = 1.96 and n = 20: at 0 and 1 the far end is z^2 / (n + z^2) away.
    [("London", 0.0, 0.0, 0.1611), ("Paris", 1.0, 0.8389, 1.0), ("Paris Texas", 2 / 3, 0.4487, 0.8309)],
)
def test_items_that_all_have_one_score_are_no_certainty(answer: str, value: float, low: float, high: float) -> None:
    hotpotqa = benchmark_of("hotpotqa")
    items = [Item(f"hotpotqa/{n}", "?", ("Paris",)) for n in range(20)]
    records = [EpisodeRecord(item.id, 0, (), answer, True, False, "", 1.0) for item in items]
    scores = score_episodes(hotpotqa, items, 1, records, {}, None)
    found = figures_of(hotpotqa, items, 1, records, scores, None)
    assert found.headline == pytest.approx(value) and found.interval == pytest.approx((low, high), abs=1e-4)
