"""APPO: Agentic Procedural Policy Optimization (arXiv 2606.12384).

Rollouts: N = 4 initial ones, each branched at its B = 3 tokens of the highest Branching Score (eq. 3-5), M = 16.
Advantage: dual group (eq. 6), scaled by the future value (eq. 7). Loss: clipped, on initial rollouts only (eq. 8).

The public implementation differs: it keeps the token at the branch point, which makes a branch at a wrong token repeat
it; it takes log pi_theta from the trainer and log pi_old from the engine, so that its Omega is the noise between the
two; its advantage is the reading "prefix".
"""

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.algorithm import Algorithm
from appo_agent.algorithms.losses import LossConfig
from appo_agent.algorithms.plan import RolloutPlan

APPO = Algorithm(
    name="appo",
    summary="branches at tokens with a high Branching Score, credit from the branches, future-aware advantages",
    plan=RolloutPlan(rollouts=16, initial=4, branches=3, loops=1),
    advantage=AdvantageConfig(estimator="equation", future_weight=0.5, future_clip=(1.0, 1.2)),
    loss=LossConfig(clip_low=0.2, clip_high=0.28),
)
