r"""What an answer is worth on each kind of benchmark."""

import pytest
from appo_benchmarks.benchmark import Item
from appo_benchmarks.record import EpisodeRecord
from appo_benchmarks.registry import BENCHMARKS, benchmark_of
from appo_benchmarks.scoring import Score, score_episodes

from appo_envs.grading import math_equal


def scored(name: str, answer: str, gold: str) -> Score:
    record = EpisodeRecord(f"{name}/0", 0, (), answer, True, False, "", 1.0)
    (score,) = score_episodes(benchmark_of(name), [Item(f"{name}/0", "?", (gold,))], 1, [record], {}, None)
    return score


@pytest.mark.parametrize("name", [name for name, one in BENCHMARKS.items() if one.grader is not math_equal])
def test_markup_around_an_answer_in_words_costs_nothing(name: str) -> None:
    score = scored(name, r"\boxed{\text{Paris}}", "Paris")
    assert (score.graded, score.exact, score.f1, score.lenient) == (1, 1, 1, 1)
    assert scored(name, "Paris", r"$\text{Paris}$").graded == 1


def test_formulas_keep_their_markup() -> None:
    assert scored("math500", r"$\{1, 2\}$", r"\{2,1\}").graded == 1
    assert scored("math500", r"\text{Paris}", "Paris").exact == 0


@pytest.mark.parametrize("name", ["hle", "xbench_deepsearch", "simpleqa", "webwalkerqa"])
def test_without_a_judge_signs_count(name: str) -> None:
    assert scored(name, "5", "-5").lenient == 0 and scored(name, "-5.0", "-5").lenient == 1
