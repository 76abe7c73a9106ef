"""Ledgers with planted decisions."""

from itertools import combinations

import gymnasium
import numpy as np
import pytest

import appo_envs
from appo_envs.errors import TaskError
from appo_envs.tasks.ledger_expert import RARE_VERBS, SIGN_OF
from appo_envs.tasks.ledgers import Ledgers
from appo_envs.tasks.names import SPLITS
from appo_envs.tasks.task import Task

SOURCE = Ledgers()


def _read(task: Task) -> tuple[list[str], str]:
    """The verbs and the account, from the words of the ledger alone."""
    *lines, question = task.prompt.removesuffix(" ?").split(" . ")
    assert [line.split()[0] for line in lines] == [f"n{number}" for number in range(1, len(lines) + 1)]
    assert question.startswith("balance of ")
    return [line.split()[1] for line in lines], question.removeprefix("balance of ")


def test_the_answer_follows_from_the_ledger_and_the_opening_balance() -> None:
    for task in SOURCE.split("train")[:300]:
        verbs, account = _read(task)
        balances = np.cumsum(
            [int(str(task.metadata["opening"])), *(1 if SIGN_OF[verb] == "up" else -1 for verb in verbs)]
        )
        assert str(balances[-1]) == task.answer and account == task.metadata["account"]
        assert balances.min() >= 0 and balances.max() < 100


def test_as_many_entries_as_asked_have_rare_verbs_and_the_metadata_names_them() -> None:
    for decisions in (0, 1, 5):
        for task in Ledgers(entries=12, decisions=decisions).split("validation")[:50]:
            verbs, _ = _read(task)
            rare = tuple(number for number, verb in enumerate(verbs, 1) if verb in RARE_VERBS)
            assert rare == task.metadata["decisions"] and len(rare) == decisions


def test_splits_share_no_account() -> None:
    told = {split: {_read(task)[1] for task in SOURCE.split(split)[:500]} for split in SPLITS}
    assert all(not told[a] & told[b] for a, b in combinations(SPLITS, 2))


def test_a_task_is_rebuilt_from_its_id_alone() -> None:
    task = SOURCE.split("test")[123]
    assert task.id == "test/123" and Ledgers().task("test/123") == task
    assert Ledgers(seed=1).task("test/123") != task
    with pytest.raises(TaskError):
        SOURCE.task("train/1/1")


def test_every_word_is_in_the_vocabulary_once() -> None:
    vocabulary = SOURCE.vocabulary
    assert len(set(vocabulary)) == len(vocabulary)
    for task in SOURCE.split("validation")[:100]:
        assert {*task.prompt.split(), task.answer, str(task.metadata["opening"])} <= set(vocabulary)


def test_planted_words_are_the_signs_of_rare_verbs() -> None:
    task = Task("t", "n1 buys . n2 nabs . balance of Ba Gor ?", "7")
    text = "<lookup> Ba Gor </lookup> <think> n1 buys up 6 ; n2 nabs down 5 ; </think> <answer> \\boxed{ 5 } </answer>"
    assert [text.split()[place] for place in SOURCE.planted(task, text)] == ["down"]
    assert text.split()[SOURCE.planted(task, text)[0] - 1] == "nabs"
    assert SOURCE.planted(task, "") == SOURCE.planted(task, "up nabs down") == []


def _played(env: gymnasium.Env, place: int, seed: int) -> tuple[str, float]:
    """What the demonstrator wrote, and its reward."""
    inner = env.unwrapped
    assert isinstance(inner, appo_envs.ToolEnv)
    task = inner.tasks("train")[place]
    observation, _ = env.reset(seed=0, options={"task": task.id})
    expert = inner.task_source.expert(task, np.random.default_rng(seed))
    written, reward, over = [], 0.0, False
    while not over:
        written.append(expert.act(observation))
        observation, reward, terminated, truncated, _ = env.step(written[-1])
        over = terminated or truncated
    return " ".join(written), float(reward)


def test_a_demonstration_is_long_and_decides_far_from_its_call() -> None:
    env = gymnasium.make("appo/Ledger-v0")
    for place in range(20):
        text, _ = _played(env, place, place)
        words = text.split()
        assert 150 <= len(words) <= 400
        planted = SOURCE.planted(SOURCE.split("train")[place], text)
        assert len(planted) == 2 and min(planted) > words.index("</lookup>")


def test_rare_verbs_of_a_ledger_mean_the_same() -> None:
    for task in Ledgers(entries=12, decisions=4).split("train")[:50]:
        verbs, _ = _read(task)
        assert len({SIGN_OF[verb] for verb in verbs if verb in RARE_VERBS}) == 1


def test_the_demonstrator_is_right_where_it_reads_every_sign_rightly_and_only_there() -> None:
    env = gymnasium.make("appo/Ledger-v0")
    rewards = []
    for place in range(120):
        text, reward = _played(env, place, place)
        words = text.split()
        right = [words[at] == SIGN_OF[words[at - 1]] for at in SOURCE.planted(SOURCE.split("train")[place], text)]
        assert (reward > 0) == all(right)
        rewards.append(reward > 0)
    assert 0.12 < np.mean(rewards) < 0.38  # a quarter


def test_other_accounts_have_no_balance() -> None:
    env = gymnasium.make("appo/Ledger-v0")
    env.reset(seed=0)
    assert env.step("<lookup> nowhere </lookup>")[0] == "<result> none found </result>"


@pytest.mark.parametrize("settings", [{"entries": 0}, {"decisions": 33}, {"decisions": -1}, {"limit": 64}])
def test_bad_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="limit above 2"):
        Ledgers(**settings)
