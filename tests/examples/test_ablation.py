"""The ablation with a budget of a moment: all variants train, the table is right, and nothing is trained twice."""

import json
import sys
from pathlib import Path

import pytest

from tests.examples.loading import example

ablation = example("ablation")

TINY = (
    "--token-budget 200 --prompts-per-step 2 --mini-batches 1 --policy.hidden-size 32 --policy.num-hidden-layers 1 "
    "--cold-start.steps 3 --cold-start.batch-size 2 --cold-start.warmup-steps 1 --evaluation.episodes 4 "
    "--evaluation.validation-episodes 0 --sampling.max-turn-tokens 8 --sampling.max-rollout-tokens 40 "
    "--plan.rollouts 4 --plan.initial 2 --plan.branches 1"
).split()


def test_every_variant_is_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ablation", "--seeds", "1", "--preset", "quick", "--folder", str(tmp_path), "--", *TINY]
    monkeypatch.setattr(sys, "argv", words)
    ablation.main()
    out = capsys.readouterr().out
    assert [line.rsplit("  ", 1)[0].strip() for line in out.splitlines()[1:]] == list(ablation.VARIANTS)
    seeds = {json.loads(path.read_text())["seed"] for path in tmp_path.glob("*.json")}
    assert seeds == {0} and len(list(tmp_path.glob("*/policy"))) == len(ablation.VARIANTS)

    def never(words: list[str]) -> int:
        raise AssertionError(f"trained again: {words}")

    monkeypatch.setattr(ablation, "appo", never)
    ablation.main()
    assert capsys.readouterr().out == out


def test_differences_are_paired_by_seed() -> None:
    shown = ablation.table({"appo": [0.5, 0.7], "other": [0.4, 0.6]}).splitlines()
    assert shown[1].split() == ["appo", "60.0%"]
    assert shown[2].split() == ["other", "50.0%", "-10.0%", "[-10.0%,", "-10.0%]"]


def test_a_refused_setting_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        ablation.cell(tmp_path, "appo", 0, "quick", ["--no-such-setting", "1"])
    assert stopped.value.code == 2 and "no_such_setting" in capsys.readouterr().err
