"""`appo diagnose`: where decisions matter to a run's policy, and which rule finds them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from appo_agent.disk import writing
from appo_agent.errors import ConfigError, RunError
from appo_agent.training.run_dir import RunDir

if TYPE_CHECKING:
    from appo_agent.training.build import Agent

HELP = "Measure by forks where decisions matter to a run's policy, and which branching rule finds them."


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    options = _parse(argv)
    directory = RunDir.open(options.run)
    from appo_agent.training.checkpoint import latest_checkpoint, load_checkpoint

    newest = latest_checkpoint(directory.checkpoints)
    if newest is None:
        raise RunError(f"{directory.path} has no checkpoint yet; wait for the first one, or start the run again")

    from appo_agent.analysis.diagnose.diagnosis import DiagnoseConfig, branches_of, diagnose
    from appo_agent.analysis.diagnose.diagnosis_file import write_diagnosis
    from appo_agent.analysis.diagnose.measure import MeasureConfig
    from appo_agent.analysis.diagnose.plots import draw
    from appo_agent.analysis.diagnose.report import markdown, summary
    from appo_agent.commands.train import load_config
    from appo_agent.training.build import build_agent
    from appo_agent.training.run import Position

    config = load_config(str(directory.config), [])
    try:
        how = DiagnoseConfig(
            MeasureConfig(
                options.prompts, options.rollouts, options.tokens, options.continuations, options.split, options.seed
            ),
            branches=branches_of(config) if options.branches is None else options.branches,
            gradient_draws=options.gradient_draws,
            gradient_prompts=options.gradient_prompts,
        )
    except ValueError as error:
        raise ConfigError(f"appo diagnose: {error}") from error
    checkpoint = load_checkpoint(newest)
    agent = build_agent(config, weights_follow=True)
    agent.learner.load_tensors(checkpoint.tensors, Position.from_state(checkpoint.state).version)
    agent.push_weights()
    folder = options.out or directory.path / "diagnosis"
    try:
        _check_split(agent, options.split)
        _check_places([folder] if options.keep is None else [folder, options.keep.parent])
        diagnosis = diagnose(agent, config, directory, how, lambda text: print(text, flush=True))
    finally:
        agent.close()
    write_diagnosis(diagnosis, folder / "diagnosis.json")
    if options.keep is not None:
        write_diagnosis(diagnosis, options.keep, brief=True)
    with writing(folder):
        (folder / "report.md").write_text(markdown(diagnosis), encoding="utf-8")
        pictures = draw(diagnosis, folder)
    print(summary(diagnosis))
    print(f"report    {folder / 'report.md'}")
    print(f"figures   {folder / 'diagnosis.json'}")
    print(f"pictures  {', '.join(path.name for path in pictures)}")
    print(f"try next  appo view {folder}")
    return 0


def _check_split(agent: Agent, split: str) -> None:
    from appo_agent.training.run import env_tasks

    try:
        env_tasks(agent, split)
    except ValueError as error:
        raise ConfigError(f"--split: {error}") from error


def _check_places(folders: Sequence[Path]) -> None:
    """Make the folders of the results and write into them: measuring takes long, and would be lost."""
    for folder in folders:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appo diagnose", description=HELP, allow_abbrev=False)
    parser.add_argument("run", type=Path, help="a run directory; its newest checkpoint is diagnosed")
    parser.add_argument("--prompts", type=int, default=8, help="prompts of the split (default: 8)")
    parser.add_argument("--rollouts", type=int, default=2, help="rollouts of each prompt (default: 2)")
    parser.add_argument("--tokens", type=int, default=64, help="most tokens measured of a rollout (default: 64)")
    parser.add_argument("--continuations", type=int, default=32, help="forks from each token (default: 32)")
    parser.add_argument("--branches", type=int, help="tokens that a rule chooses (default: B of the run's plan, or 3)")
    parser.add_argument("--gradient-draws", type=int, default=12, help="draws of the gradient; 0: none (default: 12)")
    parser.add_argument("--gradient-prompts", type=int, default=4, help="prompts of each draw (default: 4)")
    parser.add_argument("--split", default="validation", help="split of the environment (default: validation)")
    parser.add_argument("--seed", type=int, default=0, help="decides all noise (default: 0)")
    parser.add_argument("--out", type=Path, help="folder of the results (default: RUN/diagnosis)")
    parser.add_argument("--keep", type=Path, help="also write the figures, without single tokens, to this file")
    return parser.parse_args(argv)
