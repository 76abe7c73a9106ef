import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.analysis.diagnose.values import state_value


def test_a_state_whose_next_token_decides_everything() -> None:
    value = state_value([1, 1, 2, 2], [1.0, 1.0, 0.0, 0.0])
    # Q is 1 or 0: E[Q^2] = .5; the mean is .5, its variance (1/3) / 4, hence (E Q)^2 = .25 - 1/12.
    assert (value.mean, value.variance, value.actions) == (0.5, pytest.approx(1 / 3), 2)
    assert value.criticality == pytest.approx(0.5 - (0.25 - 1 / 12))


def test_a_state_with_one_action_has_no_criticality() -> None:
    value = state_value([7] * 6, [0.0, 1.0, 1.0, 0.0, 1.0, 0.5])
    assert value.criticality == pytest.approx(0.0, abs=1e-12)
    assert value.variance > 0


def test_equal_rewards_decide_nothing() -> None:
    value = state_value([1, 2, 3, 1], [0.5] * 4)
    assert (value.variance, value.criticality) == (0.0, pytest.approx(0.0))


def test_an_action_seen_once_takes_the_variance_within_the_others() -> None:
    # Within action 1: variance .5. E[Q^2] = 2/3 (.25 - .5/2) + 1/3 (1 - .5/1); mean 2/3, variance 1/3.
    value = state_value([1, 1, 2], [0.0, 1.0, 1.0])
    assert value.criticality == pytest.approx(1 / 6 - (4 / 9 - 1 / 9))


def test_what_was_never_seen_twice_counts_as_noise() -> None:
    assert state_value([1, 2, 3, 4], [0.0, 1.0, 0.0, 1.0]).criticality == pytest.approx(0.0, abs=1e-12)


def test_estimates_are_right_on_average() -> None:
    """Two actions at .7 and .3 with Q of .9 and .2: Var Q = .7 * .3 * .7^2, Var R = .69 * .31."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4000):
        actions = rng.random(16) < 0.3
        found.append(state_value(actions.astype(int).tolist(), rng.random(16) < np.where(actions, 0.2, 0.9)))
    assert np.mean([value.criticality for value in found]) == pytest.approx(0.21 * 0.49, abs=0.004)
    assert np.mean([value.variance for value in found]) == pytest.approx(0.69 * 0.31, abs=0.004)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-2, 2)), min_size=2, max_size=20), st.floats(-3, 3))
def test_neither_a_shift_of_the_rewards_nor_the_order_matters(pairs: list[tuple[int, float]], shift: float) -> None:
    actions, returns = zip(*pairs, strict=True)
    before = state_value(actions, returns)
    after = state_value(actions[::-1], [value + shift for value in returns[::-1]])
    assert after.criticality == pytest.approx(before.criticality, abs=1e-9)
    assert after.variance == pytest.approx(before.variance, abs=1e-9)


@pytest.mark.parametrize(("actions", "returns"), [([1], [1.0]), ([], []), ([1, 2], [1.0, 2.0, 3.0])])
def test_too_few_continuations_are_refused(actions: list[int], returns: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two continuations"):
        state_value(actions, returns)
