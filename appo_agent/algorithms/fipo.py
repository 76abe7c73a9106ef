"""FIPO: future-aware advantages without branches (arXiv 2603.19835).

Rollouts: M independent ones. Advantage: GRPO's, times (1 + b * A_fut): APPO without its branches. Loss: clipped.
"""

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.algorithm import Algorithm
from appo_agent.algorithms.losses import LossConfig
from appo_agent.algorithms.plan import RolloutPlan

FIPO = Algorithm(
    name="fipo",
    summary="GRPO with advantages scaled by the future value of each token",
    plan=RolloutPlan(rollouts=8, initial=8),
    advantage=AdvantageConfig(estimator="single", future_weight=0.5, future_clip=(1.0, 1.2)),
    loss=LossConfig(clip_low=0.2, clip_high=0.28),
)
