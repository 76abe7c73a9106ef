"""`appo train`: settings to a finished run directory."""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from appo_agent.commands.parse import parse_config, to_toml
from appo_agent.errors import ConfigError, RunError, did_you_mean
from appo_agent.evaluation import EvaluationResult
from appo_agent.training.config import TINY, TrainConfig, default_config
from appo_agent.training.run_dir import RunDir

HELP = "Train the bundled agent: cold start, then reinforcement learning. Without arguments: the default preset."
PRESETS = Path(__file__).parent.parent / "presets"
MAY_CHANGE_ON_RESUME = ("token_budget", "max_steps", "log_to", "cluster")
EXIT_INTERRUPTED = 130

USAGE = """usage: appo train [CONFIG.toml | PRESET] [--run-dir DIR] [--resume RUN] [--cluster ADDRESS] [--json]
                  [--SETTING VALUE ...]

  CONFIG.toml | PRESET  settings from a file, or one of the shipped presets: {presets} (default: default)
  --run-dir DIR         where the run is written; must not exist (default: runs/<time>-<algorithm>-<seed>)
  --resume RUN          go on with a run from its newest checkpoint; of the settings only {may_change} may change
  --cluster ADDRESS     play episodes on the workers of a Ray cluster; "local" starts one on this machine
  --json                print the result as one JSON object

Settings, each with its default:
"""


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    options, flags = _split(argv)
    if "-h" in flags or "--help" in flags:
        print(USAGE.format(presets=", ".join(preset_names()), may_change=", ".join(MAY_CHANGE_ON_RESUME)))
    if options.resume is not None:
        if options.config is not None or options.run_dir is not None:
            raise ConfigError("--resume takes neither a configuration file nor --run-dir: the run has its own")
        directory = RunDir.open(options.resume)
        config = _resumed_config(directory, flags)
    else:
        config = load_config(options.config, flags)
        directory = None
    # Importing torch takes a second: after the settings are known to be right.
    from appo_agent.training.interrupt import stop_on_signal
    from appo_agent.training.metric_writers import require_writers
    from appo_agent.training.preflight import check_environment

    check_environment(config)
    require_writers(config.log_to)
    if directory is None:
        directory = RunDir.create(options.run_dir or _default_path(config))
        directory.write_config(to_toml(config))
    with directory.lock(), stop_on_signal() as stop:
        return _execute(config, directory, stop, resume=options.resume is not None, as_json=options.json)


def load_config(source: str | None, flags: Sequence[str]) -> TrainConfig:
    """Settings of a new run: the algorithm's defaults, then a file or preset, then flags.

    Raises:
        ConfigError: no such file or preset; unknown or impossible settings.
    """
    named, model = _value_of(flags, "--algorithm"), _value_of(flags, "--model")
    path = _config_path(source)
    written = _algorithm_in(path)
    if source is None and (named not in (None, written) or model not in (None, TINY)):
        # The default preset tunes one algorithm for the bundled policy; all others start from the algorithm's defaults.
        path = None
    name = named or written or "appo"
    try:
        default = default_config(name)
    except ValueError as error:
        raise ConfigError(f"algorithm: {error}") from error
    try:
        return parse_config(TrainConfig, default, flags, path, "appo train")
    except ConfigError as error:
        if path is None or written in (None, name) or str(path) not in str(error):
            raise
        raise ConfigError(
            f"{error} ({path.name} is written for {written}: for {name} copy it without such settings)"
        ) from error


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def _split(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="appo train", add_help=False, allow_abbrev=False)
    parser.add_argument("--run-dir", "--run_dir", type=Path)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cluster")
    options, rest = parser.parse_known_args(argv)
    # A word that no flag precedes is the configuration; values of flags are told apart by their place.
    options.config = rest.pop(0) if rest and not rest[0].startswith("-") else None
    if options.cluster is not None:
        rest += ["--cluster.address", options.cluster]
    return options, rest


def _config_path(source: str | None) -> Path:
    if source is None:
        return PRESETS / "default.toml"
    if source in preset_names():
        return PRESETS / f"{source}.toml"
    if not source.endswith(".toml") and not Path(source).exists():
        raise ConfigError(f"no file or preset {source!r}{did_you_mean(source, preset_names())}")
    return Path(source)


def _value_of(flags: Sequence[str], wanted: str) -> str | None:
    for place, word in enumerate(flags):
        name, equals, value = word.partition("=")
        if name == wanted:
            return value if equals else (flags[place + 1] if place + 1 < len(flags) else None)
    return None


def _algorithm_in(path: Path) -> str | None:
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8")).get("algorithm")
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None  # `parse_config` reads the file again and reports what is wrong with it.
    return value if isinstance(value, str) else None


def _resumed_config(directory: RunDir, flags: Sequence[str]) -> TrainConfig:
    stored = _algorithm_in(directory.config)
    if stored is None:
        raise RunError(f"{directory.config} does not name an algorithm; the run directory is damaged")
    before = parse_config(TrainConfig, default_config(stored), [], directory.config, "appo train")
    after = parse_config(TrainConfig, default_config(stored), flags, directory.config, "appo train")
    allowed = replace(before, **{name: getattr(after, name) for name in MAY_CHANGE_ON_RESUME})
    if after != allowed:
        raise ConfigError(
            f"a resumed run keeps its settings; only {' and '.join(MAY_CHANGE_ON_RESUME)} may change. "
            "Start a new run to change others"
        )
    return after


def _default_path(config: TrainConfig) -> Path:
    return Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{config.algorithm}-{config.seed}"


def _execute(config: TrainConfig, directory: RunDir, stop: object, *, resume: bool, as_json: bool) -> int:
    from appo_agent.training.build import build_agent
    from appo_agent.training.interrupt import StopRequest
    from appo_agent.training.metric_writers import open_writers
    from appo_agent.training.metrics import MetricsLog
    from appo_agent.training.probe import check_agreement
    from appo_agent.training.progress import RunProgress
    from appo_agent.training.room import check_room
    from appo_agent.training.run import Interrupted, TrainingRun

    if not isinstance(stop, StopRequest):
        raise TypeError("stop must be a StopRequest")
    progress = RunProgress(quiet=as_json)
    progress.say(f"{config.algorithm} on {config.env}, seed {config.seed}; writing {directory.path}")
    writers = open_writers(config.log_to, directory, asdict(config))
    with MetricsLog(directory.metrics, writers) as log:
        agent = build_agent(config, weights_follow=resume)
        training = TrainingRun(config, agent, directory, log, progress, stop)
        if resume:
            training.resume()
            progress.say(f"resumed at step {training.position.step}")
        started = time.monotonic()
        try:
            check_room(agent, config.evaluation)
            agreement = check_agreement(agent, config.seed, config.dtype)
            progress.say(f"sampler and learner agree to {agreement.mean:.1g} nats (largest {agreement.largest:.1g})")
            position = training.execute()
        except Interrupted:
            progress.say(f"stopped; go on with: appo train --resume {directory.path}")
            return EXIT_INTERRUPTED
        finally:
            training.agent.close()
    if position.before is None or position.after is None:
        raise RunError(f"{directory.path}: the run ended without its evaluations")
    result = {
        "run": str(directory.path),
        "algorithm": config.algorithm,
        "seed": config.seed,
        "steps": position.step,
        "generated_tokens": position.generated_tokens,
        "seconds": round(time.monotonic() - started, 1),
        "before": asdict(position.before),
        "after": asdict(position.after),
    }
    print(json.dumps(result) if as_json else _summary(config, directory, position.before, position.after))
    return 0


def _summary(config: TrainConfig, directory: RunDir, before: EvaluationResult, after: EvaluationResult) -> str:
    def line(name: str, result: EvaluationResult) -> str:
        low, high = result.interval
        return f"  {name:<8} {result.success:6.1%}  [{low:.1%}, {high:.1%}]"

    return "\n".join(
        [
            f"success on {after.episodes} {config.evaluation.split} episodes, 95% interval",
            line("before", before),
            line("after", after),
            f"run        {directory.path}",
            f"curve      {directory.learning_curve}",
            f"policy     {directory.policy}  (a Hugging Face folder)",
            f"try next   appo view {directory.path} --open",
            f"           appo eval {directory.path} --episodes 2048",
            f"           appo train --algorithm grpo --seed {config.seed}",
            f"           tensorboard --logdir {directory.path}",
        ]
    )
