"""Ranks on Ray learn what one process learns; a rank that dies is said so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from appo_agent.cluster.connect import connect, disconnect
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.errors import NonFiniteError, RunError
from appo_agent.policies.forward import CausalModel
from appo_agent.policies.learner import InProcessLearner
from tests.appo_agent.cluster.test_sharded import CLOSE, LOSS, ROWS, SETTINGS, advance, assert_same, model, ready
from tests.appo_agent.policies.test_learner import example

pytestmark = pytest.mark.ray
TWO = ClusterConfig(address="local", learners=2, object_store_mb=80)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    connect(TWO)
    yield
    disconnect()


def make_model() -> tuple[CausalModel, nn.Module]:
    made = model()
    # Ranks take their weights from the driver, whatever they begin with.
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    return made, made


def test_ranks_on_ray_learn_what_one_process_learns(tmp_path: Path) -> None:
    from appo_agent.cluster.learner_group import LearnerGroup

    saved: list[Path] = []
    copy, expected = model(), model()
    group = LearnerGroup(copy, make_model, SETTINGS, TWO, temperature=0.7, save=saved.append, keep_previous=True)
    one = InProcessLearner(expected, SETTINGS, temperature=0.7, save=saved.append, keep_previous=True)
    for learner in (group, one):
        # What the cold start does: the driver's copy changes before the first update.
        with torch.no_grad():
            for parameter in learner.model.named_parameters():
                parameter[1].mul_(1.01)
        learner.weights()
        learner.set_reference()
    found, wanted = torch.tensor(advance(group)), torch.tensor(advance(one))
    torch.testing.assert_close(found, wanted, atol=CLOSE, rtol=0)
    assert group.version == len(ROWS)
    assert_same(group.weights(), dict(one.weights()), CLOSE)
    assert_same(group.tensors(), one.tensors(), CLOSE)
    previous, theirs = group.score_previous(example()), one.score_previous(example())
    assert previous is not None and theirs is not None
    torch.testing.assert_close(previous.logprobs, theirs.logprobs, atol=CLOSE, rtol=0)
    bad = ready(group, 3, 1)
    assert bad.advantages is not None
    bad.advantages[bad.action_mask] = float("nan")
    with pytest.raises(NonFiniteError, match="nothing was applied"):
        group.update(bad, LOSS)

    group.save_shards(tmp_path / "shards")
    group.save_policy(tmp_path / "policy")
    assert len(saved) == 1 and (tmp_path / "policy").is_dir()
    assert_same(copy.full_weights(), dict(one.weights()), CLOSE)
    tensors = group.tensors()
    group.close()
    again = LearnerGroup(
        model(), make_model, SETTINGS, ClusterConfig(address="local", learners=1), temperature=0.7, save=saved.append
    )
    again.load_shards(tmp_path / "shards")
    assert again.version == len(ROWS)
    assert_same(again.tensors(), tensors, 0)
    import ray

    ray.kill(again._ranks[0])
    with pytest.raises(RunError, match="a rank of the learner is lost .* appo train --resume RUN"):
        again.score(example())
    again.close()


def test_a_cluster_without_room_for_every_rank_is_said_so() -> None:
    from appo_agent.cluster.learner_group import LearnerGroup

    many = ClusterConfig(address="local", learners=3, gpus_per_learner=1.0, patience_s=2.0)
    with pytest.raises(RunError, match=r"cluster\.learners: 0 of 3 ranks came up in 2 s"):
        LearnerGroup(model(), make_model, SETTINGS, many, temperature=0.7, save=lambda folder: None)
