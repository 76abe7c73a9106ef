"""Log-probs and entropies belong to the token at their own position."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.algorithms import logprobs
from appo_agent.algorithms.logprobs import (
    previous_positions,
    scatter_scores,
    selected_token_scores,
    token_scores,
)


def oracle(logits: torch.Tensor, token_ids: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Token by token in float64."""
    rows, width = token_ids.shape
    logprobs, entropies = torch.zeros(rows, width).double(), torch.zeros(rows, width).double()
    for b in range(rows):
        for t in range(1, width):
            weights = [math.exp(float(x) / temperature) for x in logits[b, t - 1]]
            p = [w / sum(weights) for w in weights]
            logprobs[b, t] = math.log(p[int(token_ids[b, t])])
            entropies[b, t] = -sum(x * math.log(x) for x in p)
    return logprobs, entropies


def test_worked_example() -> None:
    # Position 0 predicts token 1 with weights e^0 : e^ln3 = 1 : 3, so p = (1/4, 3/4).
    # log p(token 1 = id 1) = ln 3/4 = -0.28768; H = 1/4 ln 4 + 3/4 ln 4/3 = 0.34657 + 0.21576 = 0.56234.
    # Position 1 predicts token 2 uniformly: log p = -ln 2 = -0.69315 = -H.
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 5.0], [9.0, -9.0]]])
    scores = token_scores(logits, torch.tensor([[0, 1, 0]]), temperature=1.0)
    torch.testing.assert_close(scores.logprobs, torch.tensor([[0.0, -0.28768, -0.69315]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(scores.entropies, torch.tensor([[0.0, 0.56234, 0.69315]]), atol=1e-5, rtol=0)


def test_temperature_divides_the_logits() -> None:
    # At temperature 1/2 the weights 1 : 3 become 1 : 9, so log p = ln 0.9 = -0.10536.
    logits = torch.tensor([[[0.0, math.log(3.0)], [0.0, 0.0]]])
    scores = token_scores(logits, torch.tensor([[0, 1]]), temperature=0.5)
    assert scores.logprobs[0, 1].item() == pytest.approx(-0.10536, abs=1e-5)


@given(st.integers(1, 3), st.integers(1, 6), st.floats(0.3, 3.0), st.integers(0, 10_000))
def test_scores_equal_a_slow_loop(rows: int, width: int, temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, width, 7, generator=generator) * 3
    token_ids = torch.randint(0, 7, (rows, width), generator=generator)
    expected_logprobs, expected_entropies = oracle(logits, token_ids, temperature)
    scores = token_scores(logits, token_ids, temperature=temperature)
    torch.testing.assert_close(scores.logprobs.double(), expected_logprobs, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(scores.entropies.double(), expected_entropies, atol=2e-5, rtol=1e-5)


@given(st.integers(0, 10_000))
def test_selected_tokens_score_as_whole_rows_do(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 6, 5, generator=generator)
    token_ids = torch.randint(0, 5, (3, 6), generator=generator)
    mask = torch.rand(3, 6, generator=generator) < 0.5
    mask[:, 0] = False
    whole = token_scores(logits, token_ids, temperature=0.8)
    before = logits.flatten(0, 1)[previous_positions(mask)]
    chosen = scatter_scores(selected_token_scores(before, token_ids[mask], temperature=0.8), mask)
    assert torch.equal(chosen.logprobs, torch.where(mask, whole.logprobs, 0.0))
    assert torch.equal(chosen.entropies, torch.where(mask, whole.entropies, 0.0))


def test_log_probs_carry_the_gradient_and_entropies_do_not() -> None:
    logits = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    token_ids = torch.tensor([[0, 1, 2, 3], [4, 3, 2, 1]])
    scores = token_scores(logits, token_ids, temperature=0.7)
    assert not scores.entropies.requires_grad
    assert torch.autograd.gradcheck(lambda x: token_scores(x, token_ids, temperature=0.7).logprobs, logits)


def test_impossible_tokens_leave_the_entropy_finite() -> None:
    logits = torch.tensor([[[0.0, -torch.inf, 0.0], [0.0, 0.0, 0.0]]])
    scores = token_scores(logits, torch.tensor([[0, 2]]), temperature=1.0)
    assert scores.entropies[0, 1].item() == pytest.approx(math.log(2), abs=1e-6)


def test_entropies_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, ids = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)), torch.zeros(7, dtype=torch.long)
    whole = selected_token_scores(logits, ids, temperature=1.0)
    # Blocks of two tokens with a rest of one, and of one token where not even one fits.
    for block in (10, 3):
        monkeypatch.setattr(logprobs, "ENTROPY_BLOCK", block)
        assert torch.equal(selected_token_scores(logits, ids, temperature=1.0).entropies, whole.entropies)


def test_no_tokens_have_no_scores() -> None:
    scores = selected_token_scores(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), temperature=1.0)
    assert scores.logprobs.shape == scores.entropies.shape == (0,)


def test_low_precision_logits_are_scored_in_float32() -> None:
    logits = torch.randn(1, 3, 50).bfloat16()
    assert token_scores(logits, torch.tensor([[1, 2, 3]]), temperature=1.0).logprobs.dtype == torch.float32


def test_bad_input_is_refused() -> None:
    logits, ids = torch.zeros(1, 3, 2), torch.zeros(1, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="do not fit token_ids"):
        token_scores(logits, ids[:, :2], temperature=1.0)
    with pytest.raises(ValueError, match="temperature must be positive"):
        token_scores(logits, ids, temperature=0.0)
    with pytest.raises(ValueError, match="first token of a row cannot be scored"):
        previous_positions(torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="do not fit token_ids"):
        selected_token_scores(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long), temperature=1.0)
