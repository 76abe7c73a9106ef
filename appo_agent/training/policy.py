"""From settings to a policy: model, tokenizer and sampler, tiny or pretrained.

Owns the choice of the implementations behind the protocols; joining them with environments and a learner is
`build.py`'s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from appo_agent.errors import ConfigError
from appo_agent.policies.base import Sampler, Tokenizer
from appo_agent.policies.forward import CausalModel
from appo_agent.policies.tiny.model import TinyModel
from appo_agent.policies.tiny.sampler import TinySampler
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.policies.vllm.install import installed_version
from appo_agent.training.config import TINY, TrainConfig
from appo_envs.seeding import derive_seed

if TYPE_CHECKING:
    from appo_agent.policies.pretrained.loading import Pretrained


@dataclass(frozen=True, eq=False)
class Policy:
    """What generates and what is trained.

    Attributes:
        model: for the learner.
        tokenizer: for rollouts.
        sampler: generates; holds no weights yet.
        save: writes a Hugging Face folder.
        close: frees what the sampler holds outside this process's memory.
    """

    model: CausalModel
    tokenizer: Tokenizer
    sampler: Sampler
    save: Callable[[Path], None]
    close: Callable[[], None]


def build_policy(config: TrainConfig, vocabulary: Sequence[str], folder: Path | None = None) -> Policy:
    """Make or load the policy.

    Args:
        config: `model`, `sampler` and their settings.
        vocabulary: words of the environment, from which the tiny policy's tokenizer is made.
        folder: load the policy from here instead, such as a run's own.

    Raises:
        ConfigError: the model cannot be loaded, or the environment has no word vocabulary for the tiny policy.
    """
    if config.model == TINY:
        return _tiny(config, vocabulary, folder)
    return _pretrained(config, folder)


def _tiny(config: TrainConfig, vocabulary: Sequence[str], folder: Path | None) -> Policy:
    if folder is not None:
        tokenizer, model = WordTokenizer.from_folder(folder), TinyModel.load(folder)
    elif not vocabulary:
        raise ConfigError(
            f"model: the tiny policy knows words, and {config.env} has no list of its words; name a pretrained model, "
            "such as --model Qwen/Qwen2.5-1.5B-Instruct"
        )
    else:
        tokenizer = WordTokenizer.from_vocabulary(vocabulary)
        generator = torch.Generator().manual_seed(derive_seed(config.seed, "weights") % 2**63)
        model = TinyModel(config.policy, len(tokenizer), generator)

    def save(target: Path) -> None:
        model.save(target)
        tokenizer.save(target)

    return Policy(model, tokenizer, TinySampler(model.config, tokenizer), save, _nothing)


def _pretrained(config: TrainConfig, folder: Path | None) -> Policy:
    from appo_agent.policies.pretrained.loading import load_pretrained
    from appo_agent.policies.pretrained.sampler import TransformersSampler

    name = config.model if folder is None else str(folder)
    loaded = load_pretrained(name, config.pretrained, config.sampling.max_rollout_tokens)

    def save(target: Path) -> None:
        loaded.model.save(target)
        loaded.tokenizer.save(str(target))

    sampler = config.sampler
    if sampler == "auto":
        sampler = "transformers" if installed_version() is None else "vllm"
    if sampler == "transformers":
        return Policy(
            loaded.model, loaded.tokenizer, TransformersSampler(loaded.model, loaded.tokenizer), save, _nothing
        )
    return _with_vllm(config, loaded, save, over_http=sampler == "vllm_server")


def _with_vllm(config: TrainConfig, loaded: Pretrained, save: Callable[[Path], None], *, over_http: bool) -> Policy:
    from appo_agent.policies.vllm.engine import make_engine
    from appo_agent.policies.vllm.http_sampler import VllmHttpSampler
    from appo_agent.policies.vllm.install import require_vllm
    from appo_agent.policies.vllm.sampler import VllmSampler
    from appo_agent.policies.vllm.server import VllmServer

    require_vllm()
    context, dtype = config.sampling.max_rollout_tokens + 1, config.pretrained.dtype
    stop = loaded.tokenizer.stop_token_ids
    # The engine reads the model as it is now, adapters merged; later weights come from the learner.
    with tempfile.TemporaryDirectory(prefix="appo-model-") as name:
        folder = Path(name)
        save(folder)
        if over_http:
            server = VllmServer(folder, config.vllm, dtype=dtype, context=context)
            remote = VllmHttpSampler(server.url, stop, context=context, concurrency=config.vllm.max_sequences)

            def close() -> None:
                remote.close()
                server.close()

            return Policy(loaded.model, loaded.tokenizer, remote, save, close)
        sampler = VllmSampler(make_engine(folder, config.vllm, dtype=dtype, context=context), stop)
    return Policy(loaded.model, loaded.tokenizer, sampler, save, sampler.close)


def _nothing() -> None:
    """A sampler in this process holds nothing else."""
