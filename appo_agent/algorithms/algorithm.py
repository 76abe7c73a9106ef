"""What an algorithm is: data that the one training loop reads."""

from __future__ import annotations

from dataclasses import dataclass

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.future import FutureValue
from appo_agent.algorithms.losses import LossConfig
from appo_agent.algorithms.plan import RolloutPlan


@dataclass(frozen=True)
class Algorithm:
    """A rollout plan, an advantage and a loss under a name.

    Attributes:
        name: as `--algorithm` takes it.
        summary: one line for `appo algorithms`.
        plan: which rollouts a prompt gets.
        advantage: how credit is assigned.
        loss: the policy-gradient loss.
        future: how the future value is computed, where plan or advantage use it.
    """

    name: str
    summary: str
    plan: RolloutPlan
    advantage: AdvantageConfig
    loss: LossConfig
    future: FutureValue = FutureValue()
