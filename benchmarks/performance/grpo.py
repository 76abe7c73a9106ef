"""GRPO on the transformers path against TRL's GRPOTrainer: one random model, one float32 core, the same work.

Both train on the same prompts, token for token: groups of 8 rollouts of at most 512 tokens, which end where they end,
after 200 on average; one update a step, no reference model. The reward is a coin that the text decides. Each side is a
program of its own; its first step, in which memory and caches are made, is left out.

    python benchmarks/performance/grpo.py --side ours --folder FOLDER     # one side, as JSON
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from row import Row

STEPS = 3
PROMPTS, GROUP, RESPONSE = 8, 8, 512
QUESTIONS = 64
RUNS = 3
LEARNING_RATE = 1e-5
WORDS = "river stone lamp wheel garden letter winter bread".split()
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Side(NamedTuple):
    """What one side did.

    Attributes:
        seconds: of all measured steps.
        tokens: generated and trained in them.
    """

    seconds: float
    tokens: int


def peer_rows() -> list[Row]:
    """Both sides in turn, several times; seconds a trained token of ours over those of TRL. Takes some minutes."""
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        pairs = [(run_side("ours", folder), run_side("trl", folder)) for _ in range(RUNS)]
    ratios = [(trl.seconds / trl.tokens) / (ours.seconds / ours.tokens) for ours, trl in pairs]
    ours = statistics.median(1e6 * each.seconds / each.tokens for each, _ in pairs)
    trl = statistics.median(1e6 * each.seconds / each.tokens for _, each in pairs)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} times as fast"
    tokens = f"{pairs[0][0].tokens:,} tokens against {pairs[0][1].tokens:,}"
    peer = f"TRL {trl:.0f} us; {spread} in {RUNS} runs; {tokens}"
    return [
        Row("GRPO, a trained token end to end", ours, "us", peer, ours / trl, "<= 0.5"),
    ]


def run_side(side: str, folder: str) -> Side:
    """Run one side in a program of its own, on one thread."""
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, "--folder", folder],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return Side(*json.loads(done.stdout.splitlines()[-1]))


def make_model(folder: Path) -> None:
    """A random Qwen2 of four layers of 256, with a byte-level tokenizer, as a Hugging Face folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(questions(), trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = CHAT
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.get_vocab()["<|im_end|>"],
        pad_token_id=tokenizer.get_vocab()["<|endoftext|>"],
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def questions() -> list[str]:
    """What both sides are asked."""
    return [
        f"Question {number}: write about a {WORDS[number % 8]} and a {WORDS[number // 8 % 8]}, and say what came of it."
        for number in range(QUESTIONS)
    ]


def coin(text: str) -> float:
    """The reward of a text: 0 or 1 at even odds, always the same for the same text."""
    return float(zlib.crc32(text.encode()) % 2)


def ours(folder: Path) -> Side:
    """The steps of our trainer."""
    from appo_agent.training.build import build_agent
    from appo_agent.training.run import env_tasks
    from appo_agent.training.trainer import Trainer

    config = _our_config(folder)
    agent = build_agent(config)
    trainer = Trainer(config, agent.collector, agent.sampler, agent.learner)
    tasks = env_tasks(agent, "train")
    seconds, tokens = 0.0, 0.0
    for step in range(STEPS + 1):
        begin = time.perf_counter()
        first = step * PROMPTS
        metrics = trainer.step([tasks[(first + place) % len(tasks)] for place in range(PROMPTS)], step).metrics
        if step:
            seconds, tokens = seconds + time.perf_counter() - begin, tokens + metrics["tokens/generated"]
    agent.close()
    return Side(seconds, int(tokens))


def _our_config(folder: Path) -> Any:
    import appo_envs
    from appo_agent.commands.train import load_config

    @appo_envs.tool
    def unused() -> str:
        """Do nothing: an environment has a tool, and no text calls this one."""
        return ""

    appo_envs.register_tool_env(
        "benchmark/Coin-v0",
        tasks=[appo_envs.Task(str(number), text, "heads") for number, text in enumerate(questions())],
        tools=[unused],
        grade=lambda answer, _gold: coin(answer),
        dialect=Plain(),
        max_turns=1,
    )
    flags = {
        "model": str(folder),
        "algorithm": "grpo",
        "env": "benchmark/Coin-v0",
        "dialect": "tags",
        "prompts_per_step": PROMPTS,
        "mini_batches": 1,
        "plan.rollouts": GROUP,
        "sampling.max_turn_tokens": RESPONSE,
        "sampling.max_rollout_tokens": 900,
        "cold_start.steps": 0,
        "pretrained.dtype": "float32",
        "pretrained.checkpoint_layers": "False",
        "optimizer.learning_rate": LEARNING_RATE,
        # Only memory and speed depend on it: of rows of 100 to 550 tokens, those of like length go together.
        "optimizer.micro_batch_tokens": 4096,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    return load_config("quick", [*words, "--env_options"])


class Plain:
    """A dialect without markup: every text is an answer, and the prompt is the question alone."""

    stop_strings: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    inline_results = True

    def system_prompt(self, tools: Sequence[object]) -> str:
        """Nothing."""
        return ""

    def parse(self, text: str) -> Any:
        """The text is the answer."""
        from appo_envs.dialects.base import ParsedTurn

        return ParsedTurn((), text)

    def render(self, turn: Any) -> str:
        """The answer is the text."""
        return turn.answer

    def render_results(self, results: Sequence[str]) -> str:
        """There are none."""
        return ""

    def messages(self, action: str, results: Sequence[str]) -> tuple[Any, ...]:
        """The text, as the assistant's."""
        from appo_envs.messages import Message

        return (Message("assistant", action),)


def theirs(folder: Path) -> Side:
    """The steps of TRL's trainer."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

    begins: list[float] = []
    lengths: list[list[int]] = []

    class Clock(TrainerCallback):
        """Notes when steps end."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_rest: Any) -> None:
            """One more is done."""
            begins.append(time.perf_counter())

    def reward(completions: list[str], completion_ids: list[list[int]], **_rest: Any) -> list[float]:
        lengths.append([len(ids) for ids in completion_ids])
        return [coin(text) for text in completions]

    opening, closing = "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
    prompts = [f"{opening}{text}{closing}" for text in questions()]
    trainer = GRPOTrainer(
        model=str(folder),
        args=GRPOConfig(
            output_dir=str(folder / "trl"),
            per_device_train_batch_size=PROMPTS * GROUP,
            num_generations=GROUP,
            max_completion_length=RESPONSE,
            max_steps=STEPS + 1,
            learning_rate=LEARNING_RATE,
            beta=0.0,
            loss_type="grpo",
            temperature=1.0,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to=[],
            logging_strategy="no",
            disable_tqdm=True,
            model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        reward_funcs=reward,  # pyright: ignore[reportArgumentType]
        callbacks=[Clock()],
    )
    trainer.train()
    return Side(begins[-1] - begins[0], sum(map(sum, lengths[1:])))


def main() -> None:
    """Run one side and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=("ours", "trl"), required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of the model")
    options = parser.parse_args()
    if not (options.folder / "config.json").is_file():
        make_model(options.folder)
    found = ours(options.folder) if options.side == "ours" else theirs(options.folder)
    if math.isnan(found.seconds) or found.tokens <= 0:
        raise SystemExit(f"nothing was measured: {found}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
