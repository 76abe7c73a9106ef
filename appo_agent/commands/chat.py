"""`appo chat`: try a policy by hand, with live tools, and see each call."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from appo_agent.errors import ConfigError
from appo_agent.policies.base import Sampler, Tokenizer
from appo_agent.rollout.episode import SamplingConfig
from appo_agent.types import Rollout
from appo_envs import ToolEnv

HELP = "Ask a policy questions and watch it use its tools. An empty line draws a task; end with Ctrl-D."
DEFAULT_ENV = "appo/MathPython-v0"
SPLIT = "validation"


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="appo chat", description=HELP, allow_abbrev=False)
    parser.add_argument("policy", metavar="RUN_OR_MODEL", help="a run directory, a Hugging Face folder, or an id")
    parser.add_argument("--env", help=f"environment whose tools it may use (default: the run's, or {DEFAULT_ENV})")
    parser.add_argument("--temperature", type=float, help="divides the logits, above 0 (default: that of training)")
    parser.add_argument("--sampler", default="auto", help="auto, transformers, vllm or vllm_server (default: auto)")
    options = parser.parse_args(argv)
    if options.temperature is not None and not options.temperature > 0:
        raise ConfigError(f"--temperature must be above 0, got {options.temperature}")

    from appo_agent.rollout.tool_env import tool_env
    from appo_agent.serving.open_policy import open_policy
    from appo_agent.training.build import env_maker, with_dialect

    opened = open_policy(options.policy, sampler=options.sampler)
    env_id = options.env or (opened.config.env if opened.is_run else DEFAULT_ENV)
    if env_id != opened.config.env or not opened.is_run:
        opened = opened._replace(config=replace(opened.config, env=env_id, env_options=()))
    env = tool_env(env_maker(env_id, with_dialect(opened.config))())
    sampling = opened.config.sampling
    if options.temperature is not None:
        sampling = replace(sampling, temperature=options.temperature)
    try:
        for question in _questions():
            answer(question, env, opened.policy.sampler, opened.policy.tokenizer, sampling)
    finally:
        env.close()
        opened.policy.close()
    return 0


def answer(
    question: str,
    env: ToolEnv,
    sampler: Sampler,
    tokenizer: Tokenizer,
    sampling: SamplingConfig,
    seed: int | None = None,
) -> None:
    """Play one episode and print each turn as it happens.

    Args:
        question: what is asked, with the tools and documents of a task that is drawn; empty: that task's own.
        env: its tools are called.
        sampler: holds weights.
        tokenizer: the policy's.
        sampling: temperature and limits.
        seed: of the draw and of the noise; None: a new one.
    """
    import numpy as np

    from appo_agent.rollout.episode import Episode
    from appo_envs.rendering import print_human

    seed = secrets.randbits(31) if seed is None else seed
    env.reset(seed=seed, options={"split": SPLIT} | ({"prompt": question} if question else {}))
    episode = Episode(
        key="chat",
        rollout_id="0",
        env=env,
        prefix=np.array(tokenizer.prompt(env.messages), np.int64),
        head=np.empty(0, np.int64),
        origin=None,
        seed=seed,
        keep_states=False,
    )
    shown, finished = 0, None
    while finished is None:
        asked = episode.request(sampling, env.stop_strings, sampler.version)
        if isinstance(asked, Rollout):
            finished = asked
        else:
            sampler.submit([asked])
            (done,) = sampler.completed()
            finished = episode.advance(done.generation, tokenizer, sampling)
        view = env.view
        # Nobody knows whether the answer to a question of one's own is right.
        print_human(replace(view, ending=None) if question else view, since=shown)
        shown = len(view.turns)


def _questions() -> Iterator[str]:
    asked = sys.stdin.isatty()
    while True:
        if asked:
            print("\nquestion (empty: a task)> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield " ".join(line.split())
