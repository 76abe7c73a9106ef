import math

import pytest
import torch

from appo_agent.analysis.diagnose.gradients import noise_figures


def test_noise_by_hand() -> None:
    # Mean (2, 0); squared deviations 1, 1, 2 from it: trace 4 / 2 = 2; |mean|^2 - 2 / 3.
    gradients = torch.tensor([[3.0, 0.0], [2.0, 1.0], [1.0, -1.0]])
    found = noise_figures("toy", gradients, tokens=30.0)
    assert found.variance == pytest.approx(2.0)
    assert found.signal == pytest.approx(4.0 - 2.0 / 3)
    assert found.noise == pytest.approx(2.0 * 30 / (10 / 3))


def test_the_estimates_are_right_on_average() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [noise_figures("toy", 0.5 + torch.randn(8, 20, generator=generator), 1.0) for _ in range(500)]
    # 20 components of mean .5 and variance 1.
    assert sum(each.variance for each in draws) / 500 == pytest.approx(20, rel=0.02)
    assert sum(each.signal for each in draws) / 500 == pytest.approx(5, rel=0.05)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(1)
    inside = 0
    for _ in range(200):
        low, high = noise_figures("toy", 1.0 + torch.randn(16, 50, generator=generator), 1.0).interval
        inside += low < 1.0 < high
    assert 0.88 <= inside / 200 <= 0.99


def test_a_signal_that_noise_hides_has_no_ratio() -> None:
    found = noise_figures("toy", torch.tensor([[1.0], [-1.0], [0.0], [0.0]]), 5.0)
    assert found.signal < 0 and math.isnan(found.noise) and math.isnan(found.interval.low)


def test_scale_does_not_matter() -> None:
    gradients = 1 + torch.randn(6, 9, generator=torch.Generator().manual_seed(2))
    first, second = noise_figures("a", gradients, 10.0), noise_figures("b", 7 * gradients, 10.0)
    assert first.noise == pytest.approx(second.noise) and first.interval == pytest.approx(second.interval)


def test_two_draws_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least 3 draws, got 2"):
        noise_figures("toy", torch.ones(2, 3), 1.0)
