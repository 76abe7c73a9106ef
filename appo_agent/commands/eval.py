"""`appo eval`: the held-out success of a finished run's policy."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from appo_agent.errors import ConfigError, RunError
from appo_agent.training.run_dir import RunDir

HELP = "Evaluate the policy of a run on held-out tasks."


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="appo eval", description=HELP, allow_abbrev=False)
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument("--seed", type=int, default=0, help="decides the sampling noise (default: 0)")
    parser.add_argument("--episodes", type=int, default=1024, help="episodes, one a task (default: 1024)")
    parser.add_argument("--split", default="test", help="split of the environment (default: test)")
    parser.add_argument("--name", help="what the evaluation is called in the run (default: SPLIT_seedSEED)")
    parser.add_argument("--no-record", action="store_true", help="keep no episodes in the run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {options.episodes}")
    name = f"{options.split}_seed{options.seed}" if options.name is None else options.name
    directory = RunDir.open(options.run)
    if not (directory.policy / "config.json").is_file():
        raise RunError(
            f"{directory.policy} holds no policy yet; finish the run with `appo train --resume {options.run}`"
        )

    from appo_agent.commands.train import load_config
    from appo_agent.training.build import build_agent
    from appo_agent.training.evaluation_files import check_evaluation_name, write_evaluation
    from appo_agent.training.progress import RunProgress
    from appo_agent.training.run import env_tasks, shown_held_out

    if not options.no_record:
        check_evaluation_name(name)
    config = load_config(str(directory.config), [])
    agent = build_agent(config, directory.policy)
    try:
        env_tasks(agent, options.split)
    except ValueError as error:
        raise ConfigError(f"--split: {error}") from error
    progress = RunProgress(quiet=options.json)
    result, trees = shown_held_out(agent, options.split, options.episodes, options.seed, progress, "eval")
    if not options.no_record:
        write_evaluation(
            directory,
            name,
            split=options.split,
            seed=options.seed,
            result=result,
            trees=trees,
            tokenizer=agent.tokenizer,
        )
    agent.close()
    low, high = result.interval
    if options.json:
        figures = {
            "success": result.success,
            "interval": [low, high],
            "episodes": result.episodes,
            "reward": result.reward,
            "format_errors": result.format_errors,
            "truncated": result.truncated,
            "tool_calls": result.tool_calls,
            "errors": result.errors,
            "split": options.split,
            "seed": options.seed,
        }
        print(json.dumps(figures))
    else:
        print(
            f"success {result.success:.1%} [{low:.1%}, {high:.1%}] on {result.episodes} {options.split} episodes of "
            f"{config.env}; reward {result.reward:+.3f}, format errors {result.format_errors:.1%}, "
            f"{result.tool_calls:.2f} tool calls an episode"
        )
        if not options.no_record:
            print(f"episodes  {directory.evaluation(name)}")
            print(f"try next  appo view {options.run}")
    return 0
