import math

import numpy as np
import pytest

from appo_agent.analysis.diagnose.measure import Token
from appo_agent.analysis.diagnose.rules import binned_correlation, captured_share, rule_figures
from appo_agent.analysis.diagnose.values import state_value

NAMES = ("right", "null", "early")


def planted(rollouts: int = 24, length: int = 30, seed: int = 0) -> list[Token]:
    """Tokens whose measured criticality is that of three planted decisions a rollout: "right" rates those highest with
    some noise, "null" rates at random, "early" by position."""
    rng = np.random.default_rng(seed)
    tokens = []
    for rollout in range(rollouts):
        decisions = set(rng.choice(length, 3, replace=False).tolist())
        for place in range(length):
            actions = rng.integers(0, 2, 32)
            chance = np.where(actions == 1, 0.9, 0.1) if place in decisions else np.full(32, 0.5)
            returns = (rng.random(32) < chance).astype(float)
            halves = [state_value(actions[part].tolist(), returns[part]) for part in (slice(16), slice(16, 32))]
            tokens.append(
                Token(
                    rollout=rollout,
                    position=place / length,
                    text="word",
                    place="thinking",
                    entropy=0.7,
                    log_omega=0.0,
                    ratings=((place in decisions) + rng.normal(0, 0.3), rng.random(), -place),
                    value=state_value(actions.tolist(), returns),
                    first_half=halves[0].criticality,
                    second_half=halves[1].criticality,
                )
            )
    return tokens


def test_the_right_rule_wins_and_a_planted_null_does_not() -> None:
    found = {each.rule: each for each in rule_figures(planted(), 3, seed=0, rules=NAMES)}
    assert found["right"].correlation_interval.low > 0.1 > found["null"].correlation_interval.high
    assert found["null"].correlation_interval.low < 0 < found["null"].correlation_interval.high
    # 3 of 30 tokens at random hold a tenth of the criticality.
    assert found["right"].captured_interval.low > 0.6
    assert found["null"].captured_interval.low < 0.1 < found["null"].captured_interval.high < 0.4
    assert found["oracle"].captured > 0.6


def test_a_rule_that_knows_only_the_position_knows_nothing_within_a_bin() -> None:
    positions = np.linspace(0, 0.999, 100)
    bins = (positions * 5).astype(int)
    target = bins.astype(float)  # criticality that depends on the bin alone
    assert math.isnan(binned_correlation(-positions, target, bins))
    noisy = target + np.random.default_rng(0).normal(0, 1e-3, 100)
    assert abs(binned_correlation(-positions, noisy, bins)) < 0.25


def test_correlation_is_spearmans_where_there_is_one_bin() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 5, 40).astype(float), rng.random(40)
    one = np.zeros(40, int)
    assert binned_correlation(left, right, one) == pytest.approx(spearmanr(left, right)[0])


def test_captured_share_by_hand() -> None:
    ratings, target = np.array([3.0, 2.0, 1.0, 0.0, 9.0]), np.array([0.1, 0.3, 0.2, 0.0, 0.4])
    owners = np.array([0, 0, 0, 1, 1])
    # Of rollout 0 the first token, of rollout 1 the last: .1 + .4 of 1.
    assert captured_share(ratings, target, owners, 1) == pytest.approx(0.5)
    assert captured_share(ratings, target, owners, 2) == pytest.approx(0.8)
    assert captured_share(ratings, target, owners, 9) == pytest.approx(1.0)
    assert math.isnan(captured_share(ratings, np.zeros(5), owners, 1))


def test_figures_do_not_depend_on_the_order_of_the_rollouts() -> None:
    tokens = planted(6)
    turned = [token for rollout in range(5, -1, -1) for token in tokens if token.rollout == rollout]
    for before, after in zip(rule_figures(tokens, 2, 0, NAMES), rule_figures(turned, 2, 0, NAMES), strict=True):
        assert before.correlation == pytest.approx(after.correlation)
        assert before.captured == pytest.approx(after.captured)
