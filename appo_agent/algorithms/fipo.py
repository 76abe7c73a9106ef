"""FIPO: future-aware advantages without branches (arXiv 2603.19835).

Rollouts: M independent ones. Advantage: A_i = (R - mean) / std * (1 + b * clip(Omega_i, 1, 1.2)), b = 1/2, half-life 32
tokens: APPO without its branches. Loss: clipped, sequence-mean.

Differs from the source, so that only the branches separate it from APPO: the source multiplies by the clipped Omega
itself, without 1 + b, in DAPO's training recipe. Public implementations also leave tokens with a large ratio out of
Omega and cap its weight for negative advantages: `future.drop_ratio_above` and `advantage.cap_negative_ratio_above`,
off here.
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
