"""GRPO: Group Relative Policy Optimization (DeepSeekMath, arXiv 2402.03300, section 4.1).

Rollouts: M independent ones. Advantage: (R - mean) / std of the prompt's group, the same for every token. Loss:
clipped, sequence-mean. The clip range is the asymmetric one that all algorithms here share (0.2 / 0.28; the
source has 0.2), and the KL term is off, as in APPO's comparison.
"""

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.algorithm import Algorithm
from appo_agent.algorithms.losses import LossConfig
from appo_agent.algorithms.plan import RolloutPlan

GRPO = Algorithm(
    name="grpo",
    summary="independent rollouts, rewards normalised within the prompt's group",
    plan=RolloutPlan(rollouts=8, initial=8),
    advantage=AdvantageConfig(estimator="single", future_weight=0.0),
    loss=LossConfig(clip_low=0.2, clip_high=0.28),
)
