"""Future value: worked numbers, the length x length formulation, masks and limits."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.algorithms.future import Distance, FutureValue, future_value, log_future_value


def quadratic(log_ratio: torch.Tensor, mask: torch.Tensor, gamma: float, distance: str) -> torch.Tensor:
    """Eq. 4 as a double loop in float64."""
    result = torch.zeros(log_ratio.shape, dtype=torch.float64)
    for b in range(log_ratio.shape[0]):
        places = mask[b].nonzero()[:, 0].tolist()
        for i, t in enumerate(places):
            total = 0.0
            for k, u in enumerate(places[i:], start=i):
                total += gamma ** (u - t if distance == "position" else k - i) * float(log_ratio[b, u])
            result[b, t] = max(-20.0, min(20.0, total))
    return result


def test_worked_example() -> None:
    # Policy tokens at 0, 1, 3 with l = 0.1, -0.2, 0.4 and gamma = 1/2; position 2 is a tool result.
    # By policy tokens: S_3 = 0.4; S_1 = -0.2 + 0.5*0.4 = 0.0; S_0 = 0.1 + 0.5*0.0 = 0.1.
    # By position:      S_3 = 0.4; S_1 = -0.2 + 0.25*0.4 = -0.1; S_0 = 0.1 + 0.5*(-0.2) + 0.125*0.4 = 0.05.
    log_ratio = torch.tensor([[0.1, -0.2, 99.0, 0.4]])
    mask = torch.tensor([[True, True, False, True]])
    by_action = log_future_value(log_ratio, mask, gamma=0.5)
    torch.testing.assert_close(by_action, torch.tensor([[0.1, 0.0, 0.0, 0.4]]))
    by_position = log_future_value(log_ratio, mask, gamma=0.5, distance="position")
    torch.testing.assert_close(by_position, torch.tensor([[0.05, -0.1, 0.0, 0.4]]))
    # exp(0.1) = 1.10517 and exp(0.4) = 1.49182, clipped to [0.8, 1.2]; 1 where the policy did not write.
    clipped = future_value(log_ratio, mask, gamma=0.5, clip=(0.8, 1.2))
    torch.testing.assert_close(clipped, torch.tensor([[1.10517, 1.0, 1.0, 1.2]]), atol=1e-5, rtol=0)


@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.floats(0.05, 1.0),
    st.sampled_from(["action", "position"]),
    st.integers(0, 9999),
)
def test_the_recurrence_equals_the_double_sum(rows: int, width: int, gamma: float, distance: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_ratio = torch.randn(rows, width, generator=generator, dtype=torch.float64) * 4
    mask = torch.rand(rows, width, generator=generator) < 0.6
    ours = log_future_value(log_ratio, mask, gamma=gamma, distance=distance)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(ours, quadratic(log_ratio, mask, gamma, distance), atol=1e-9, rtol=1e-9)


@given(st.integers(0, 9999), st.integers(0, 9))
def test_tool_results_of_any_length_change_nothing(seed: int, gap: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(1, 6, generator=generator)
    mask = torch.ones(1, 6, dtype=torch.bool)
    short = log_future_value(values, mask, gamma=0.9)
    wide_values = torch.cat([values[:, :3], torch.full((1, gap), 7.0), values[:, 3:]], 1)
    wide_mask = torch.cat([mask[:, :3], torch.zeros(1, gap, dtype=torch.bool), mask[:, 3:]], 1)
    wide = log_future_value(wide_values, wide_mask, gamma=0.9)
    torch.testing.assert_close(wide[wide_mask], short[mask])


def test_earlier_tokens_do_not_count() -> None:
    mask = torch.ones(1, 4, dtype=torch.bool)
    first = log_future_value(torch.tensor([[5.0, 1.0, 1.0, 1.0]]), mask, gamma=0.9)
    second = log_future_value(torch.tensor([[-5.0, 1.0, 1.0, 1.0]]), mask, gamma=0.9)
    assert torch.equal(first[:, 1:], second[:, 1:]) and not torch.equal(first[:, :1], second[:, :1])


def test_the_exponent_is_clamped() -> None:
    values = log_future_value(torch.full((1, 100), 3.0), torch.ones(1, 100, dtype=torch.bool), gamma=1.0)
    assert values.max().item() == 20.0 and torch.isfinite(values.exp()).all()


def test_tokens_with_a_large_ratio_can_be_left_out() -> None:
    # exp(1.2) = 3.32 > 3 is dropped, exp(1.0) = 2.72 is kept: S_0 = 1.0 + 0 + 0.25 * 0.5.
    values = log_future_value(
        torch.tensor([[1.0, 1.2, 0.5]]), torch.ones(1, 3, dtype=torch.bool), gamma=0.5, drop_ratio_above=3.0
    )
    assert values[0, 0].item() == pytest.approx(1.125)


def test_rows_without_policy_tokens_and_empty_rows_give_zeros() -> None:
    nothing = log_future_value(torch.randn(2, 3), torch.zeros(2, 3, dtype=torch.bool), gamma=0.9)
    assert torch.equal(nothing, torch.zeros(2, 3))
    assert log_future_value(torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool), gamma=0.9).shape == (2, 0)


@given(st.integers(0, 9999), st.sampled_from(get_args(Distance)))
def test_neither_padding_nor_the_order_of_rows_nor_what_is_masked_changes_anything(
    seed: int, distance: Distance
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(3, 6, generator=generator)
    mask = torch.rand(3, 6, generator=generator) < 0.6
    expected = log_future_value(values, mask, gamma=0.8, distance=distance)
    order = torch.tensor([1, 2, 0])
    padded = torch.nn.functional.pad(values.masked_fill(~mask, torch.nan), (0, 4), value=torch.inf)[order]
    found = log_future_value(padded, torch.nn.functional.pad(mask, (0, 4))[order], gamma=0.8, distance=distance)
    torch.testing.assert_close(found[:, :6], expected[order])
    assert torch.equal(found[:, 6:], torch.zeros(3, 4))


@given(st.integers(0, 9999))
def test_the_matrix_of_length_by_length_gives_the_same(seed: int) -> None:
    values = torch.randn(1, 20, generator=torch.Generator().manual_seed(seed)) * 0.1
    place = torch.arange(20)
    matrix = torch.triu(0.9 ** (place[None] - place[:, None]).double())
    expected = (matrix @ values[0].double()).exp().clamp(0.8, 1.2)
    found = future_value(values, torch.ones(1, 20, dtype=torch.bool), gamma=0.9, clip=(0.8, 1.2))
    torch.testing.assert_close(found[0].double(), expected, atol=1e-6, rtol=0)


def test_settings() -> None:
    assert FutureValue(half_life=32).gamma ** 32 == pytest.approx(0.5)
    assert FutureValue(half_life=64).gamma == pytest.approx(2 ** (-1 / 64))
    with pytest.raises(ValueError, match="half_life must be positive"):
        FutureValue(half_life=0)
    with pytest.raises(ValueError, match="drop_ratio_above"):
        FutureValue(drop_ratio_above=-1)


def test_bad_input_is_refused() -> None:
    values, mask = torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="must be one \\(B, T\\)"):
        log_future_value(values, mask[:, :1], gamma=0.5)
    for gamma in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="gamma must be in"):
            log_future_value(values, mask, gamma=gamma)
    with pytest.raises(ValueError, match="clip must satisfy"):
        future_value(values, mask, gamma=0.5, clip=(1.1, 1.2))
