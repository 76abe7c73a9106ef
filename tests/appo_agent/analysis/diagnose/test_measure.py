from typing import Any

import pytest
import torch

from appo_agent.algorithms.branching import Candidates, select_branch_tokens
from appo_agent.analysis.diagnose.measure import RULES, STRICT, MeasureConfig, _rating, spread_places


def candidates(length: int = 40) -> Candidates:
    generator = torch.Generator().manual_seed(0)
    entropy, omega, noise = (torch.randn(3, length, generator=generator) for _ in range(3))
    boundary = torch.zeros(3, length, dtype=torch.bool)
    boundary[:, [4, 9]] = True
    return Candidates(entropy, omega, omega / 7, torch.ones_like(boundary), noise.sigmoid(), boundary)


@pytest.mark.parametrize("rule", RULES)
def test_a_rating_orders_tokens_as_the_rule_chooses_them(rule: str) -> None:
    known = candidates()
    criterion, kind = ("branching_score", "strict") if rule == STRICT else (rule, "product")
    chosen = select_branch_tokens(known, 5, criterion=criterion, rule=kind)  # type: ignore[arg-type]
    rating = torch.as_tensor(_rating(rule, known))
    for row in range(3):
        count = int(chosen.counts[row])
        assert rating[row].argsort(descending=True)[:count].tolist() == chosen.positions[row][:count].tolist()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"tokens": 0}, "tokens must be at least 1"),
        ({"continuations": 5}, "even number"),
        ({"rollouts": 0}, "rollouts"),
    ],
)
def test_impossible_amounts_are_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        MeasureConfig(**wrong)


def test_tokens_are_spread_evenly_and_planted_ones_are_measured_besides() -> None:
    indices = list(range(10, 110))
    assert spread_places(indices, set(), 3) == [0, 49, 99]
    # Token 27 stands at place 17; 5 is not eligible.
    assert spread_places(indices, {27, 5}, 3) == [0, 17, 49, 99]
    assert spread_places(indices, {10}, 3) == [0, 49, 99]
    assert spread_places([4, 9], {9}, 64) == [0, 1]
    assert spread_places([], {1}, 3) == []
