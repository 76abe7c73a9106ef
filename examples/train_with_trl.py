"""TRL's GRPOTrainer on an environment of ours, with live tools.

`pip install trl` and run `python examples/train_with_trl.py --model Qwen/Qwen3-0.6B`. The chat template must know
tools.
"""

import argparse

from appo_envs.adapters.trl import TrlEnvironments


def main() -> None:
    """Train, and save the policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="Qwen/Qwen3-0.6B", help="a Hugging Face id or folder")
    parser.add_argument("--env", default="appo/MathPython-v0", help="an environment id")
    parser.add_argument("--steps", type=int, default=200, help="optimizer steps")
    parser.add_argument("--output", default="runs/trl", help="where the policy is written")
    options = parser.parse_args()

    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

    games = TrlEnvironments(options.env)
    trainer = GRPOTrainer(
        model=options.model,
        args=GRPOConfig(
            output_dir=options.output, max_steps=options.steps, num_generations=8, max_completion_length=1024
        ),
        train_dataset=games.as_dataset(1000),
        environment_factory=games.environment_factory,
        reward_funcs=games.reward,
    )
    trainer.train()
    trainer.save_model(options.output)


if __name__ == "__main__":
    main()
