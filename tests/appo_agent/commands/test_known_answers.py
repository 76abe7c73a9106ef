"""Diagnose and compare, from their commands to their files, on an environment whose answers are known."""

from pathlib import Path

import pytest

from appo_agent.analysis.compare.findings import Findings, read_findings
from appo_agent.analysis.diagnose.diagnosis import Diagnosis
from appo_agent.analysis.diagnose.diagnosis_file import read_diagnosis
from appo_agent.analysis.diagnose.rules import RuleFigures
from appo_agent.commands.main import main

ROOT = Path(__file__).parents[3]
ENV = "tests.appo_agent.choice_env:toy/Choice-v0"
SMALL = ["--prompts-per-step", "4", "--policy.num-hidden-layers", "2", "--evaluation.validation-episodes", "0"]
RUN = [
    *("train", "quick", "--algorithm", "grpo", "--env", ENV, "--env-options", "--token-budget", "400", *SMALL),
    *("--cold-start.steps", "250", "--plan.rollouts", "8", "--evaluation.episodes", "8", "--checkpoint-every", "1"),
    "--log-to",
]
DIAGNOSE = ["--prompts", "6", "--rollouts", "2", "--continuations", "32", "--gradient-draws", "0", "--branches", "2"]

SPEC = f"""
name = "choice"
about = "Do many small updates beat one large one, and does a second name change anything?"
preset = "quick"
learning_rates = [1e-3]
confirm_seeds = [5, 6, 7, 8, 9, 10, 11]
primaries = [["many", "one"], ["again", "many"]]

[settings]
token_budget = 3_000
log_to = []
policy = {{ num_hidden_layers = 2 }}
cold_start = {{ steps = 250 }}
evaluation = {{ episodes = 256, validation_episodes = 0 }}

[environments.choice]
env = "{ENV}"
env_options = []

[arms.many]
algorithm = "grpo"
plan = {{ rollouts = 8 }}
prompts_per_step = 4

[arms.again]
algorithm = "grpo"
plan = {{ rollouts = 8 }}
prompts_per_step = 4

[arms.one]
algorithm = "grpo"
plan = {{ rollouts = 8 }}
prompts_per_step = 64
mini_batches = 1
"""


@pytest.fixture(scope="module")
def diagnosis(tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    folder = tmp_path_factory.mktemp("known") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main([*RUN, "--run-dir", str(folder)]) == 0
        assert main(["diagnose", str(folder), *DIAGNOSE]) == 0
    return read_diagnosis(folder / "diagnosis" / "diagnosis.json")


def rule(diagnosis: Diagnosis, name: str) -> RuleFigures:
    return next(each for each in diagnosis.rule_figures if each.rule == name)


def test_only_the_word_that_decides_is_critical(diagnosis: Diagnosis) -> None:
    decides = [token for token in diagnosis.tokens if token.text.strip() in ("left", "right") and token.position < 0.5]
    means_nothing = [token for token in diagnosis.tokens if token.text.strip() in ("blue", "red")]
    assert len(decides) == len(means_nothing) == 12
    # Var_a Q is p (1 - p) there, for p between a half and what one step has learned.
    assert all(0.12 < token.value.criticality < 0.3 and token.entropy > 0.4 for token in decides)
    assert all(abs(token.value.criticality) < 0.02 and token.entropy > 0.4 for token in means_nothing)


def test_the_reward_is_open_before_the_decision_and_settled_after_it(diagnosis: Diagnosis) -> None:
    place = next(token.position for token in diagnosis.tokens if token.text.strip() in ("left", "right"))
    before = [token.value.variance for token in diagnosis.tokens if token.position < place]
    after = [token.value.variance for token in diagnosis.tokens if token.position > place]
    assert min(before) > 0.12 and sum(after) / len(after) < 0.01


def test_rules_that_know_uncertainty_find_the_decision_and_nulls_do_not(diagnosis: Diagnosis) -> None:
    # Two tokens of each rollout are uncertain, and B = 2.
    assert rule(diagnosis, "entropy").captured > 0.95
    assert rule(diagnosis, "oracle").captured > 0.95
    # Two of some fifteen tokens, wherever they are.
    for null in ("random", "position"):
        assert rule(diagnosis, null).captured < 0.6 and rule(diagnosis, null).captured_interval.low < 0.15


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "choice.toml").write_text(SPEC)
    words = ["compare", str(folder / "choice.toml"), "--results", str(folder / "results"), "--jobs", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(words) == 0
    return read_findings(folder / "results" / "results.json")


@pytest.mark.slow
def test_the_arm_that_is_better_wins(findings: Findings) -> None:
    better = next(each for each in findings.differences if each.first == "many")
    assert better.answer == "yes" and better.mean > 0.1 and better.improvement == 1
    assert better.p is not None and better.p < 0.05


@pytest.mark.slow
def test_an_arm_that_is_the_same_under_another_name_does_not(findings: Findings) -> None:
    null = next(each for each in findings.differences if each.first == "again")
    assert null.differences == (0,) * 7 and null.answer == "no"
