"""Fictional worlds."""

from itertools import combinations

import numpy as np
import pytest

from appo_envs.errors import TaskError
from appo_envs.tasks import FictionalWorld, Task, fictional_world
from appo_envs.tasks.fictional_world import is_query
from appo_envs.tasks.names import SPLITS, names
from appo_envs.tasks.relations import FILM_RELATIONS, LEVELS, PERSON_RELATIONS, PLACE_RELATIONS, RELATION_OF, VERBS

SOURCE = FictionalWorld()


def _tasks(split: str, worlds: int, source: FictionalWorld = SOURCE) -> list[Task]:
    return source.split(split)[: worlds * source.questions_per_world]


def test_questions_look_as_documented() -> None:
    first, *others = SOURCE.task("train/0/0").prompt.removesuffix(" ?").split(" ; ")
    verb, name = first.split(" ", 1)
    assert RELATION_OF[verb] in FILM_RELATIONS and name in names("train")
    assert [RELATION_OF[verb] in level for verb, level in zip(others, LEVELS[3][1:], strict=True)] == [True, True]


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_the_evidence_leads_from_the_film_to_the_answer(hops: int) -> None:
    source = FictionalWorld(hops)  # pyright: ignore[reportArgumentType]
    for task in _tasks("test", 20, source):
        evidence = task.metadata["evidence"]
        assert isinstance(evidence, tuple) and len(evidence) == hops
        first, *others = task.prompt.removesuffix(" ?").split(" ; ")
        verb, film = first.split(" ", 1)
        assert evidence[0].entity == film and evidence[-1].value == task.answer
        assert [fact.relation for fact in evidence] == [RELATION_OF[v] for v in (verb, *others)]
        assert [fact.value for fact in evidence[:-1]] == [fact.entity for fact in evidence[1:]]
        corpus = source.corpus(task)
        assert all(str(fact) in corpus.texts for fact in evidence)


def test_a_world_has_every_fact_once_and_nobody_is_married_to_themselves() -> None:
    corpus = SOURCE.corpus(SOURCE.task("train/5/0"))
    assert len(set(corpus.keys)) == len(corpus.keys) == 40 * 2 + 40 * 5
    for key, text in zip(corpus.keys, corpus.texts, strict=True):
        relation, *entity = key.split()
        words = text.split()
        assert words[:3] == [*entity, relation]
        assert words[3:] != entity


def test_every_relation_and_verb_is_asked_about() -> None:
    words = {word for task in _tasks("train", 200) for word in task.prompt.split()}
    assert words.issuperset(verb for verbs in VERBS.values() for verb in verbs)


def test_splits_share_no_names() -> None:
    spoken = {}
    for split in SPLITS:
        texts = [text for world in range(40) for text in SOURCE.corpus(SOURCE.task(f"{split}/{world}/0")).texts]
        found = {" ".join(text.split()[:2]) for text in texts} | {" ".join(text.split()[-2:]) for text in texts}
        assert found <= set(names(split))
        spoken[split] = found
    assert all(not spoken[a] & spoken[b] for a, b in combinations(SPLITS, 2))


def test_every_word_is_in_the_vocabulary() -> None:
    vocabulary = SOURCE.vocabulary
    assert len(set(vocabulary)) == len(vocabulary)
    for task in _tasks("validation", 30):
        assert set(task.prompt.split()) | set(task.answer.split()) <= set(vocabulary)
        assert {word for text in SOURCE.corpus(task).texts for word in text.split()} <= set(vocabulary)


def test_a_task_is_rebuilt_from_its_id_alone() -> None:
    tasks = _tasks("train", 3)
    fictional_world._world.cache_clear()
    assert [FictionalWorld().task(task.id) for task in reversed(tasks)] == tasks[::-1]
    assert SOURCE.split("train")[17].id == "train/1/1"


def test_worlds_are_new_and_depend_on_the_seed() -> None:
    prompts = [task.prompt for task in _tasks("train", 30)]
    assert len(set(prompts)) > 0.99 * len(prompts)
    assert FictionalWorld(seed=1).task("train/0/0") != SOURCE.task("train/0/0")


def test_worlds_are_shared_by_equal_sources_and_built_once() -> None:
    task = SOURCE.task("train/9/0")
    assert FictionalWorld().task("train/9/0") is task
    assert FictionalWorld().corpus(task) is SOURCE.corpus(SOURCE.task("train/9/15"))
    assert SOURCE.corpus(task) is not SOURCE.corpus(SOURCE.task("train/10/0"))


def test_the_difficulty_changes_the_questions_and_not_the_worlds() -> None:
    easy = FictionalWorld(1)
    assert easy.corpus(easy.task("train/3/0")).texts == SOURCE.corpus(SOURCE.task("train/3/0")).texts


@pytest.mark.parametrize(
    ("query", "accepted"),
    [
        ("director Ba Gor", True),
        ("  employer   Ba  Gor ", True),
        ("Ba Gor director", False),
        ("director Ba", False),
        ("director writer Ba Gor", False),
        ("director Ba Gor Lo Mir", False),
        ("director Gor Ba", False),
        ("directed Ba Gor", False),
        ("", False),
    ],
)
def test_only_one_relation_before_one_name_is_a_query(query: str, accepted: bool) -> None:
    assert is_query(query) is accepted


def test_the_expert_reads_common_verbs_well_and_rare_ones_badly() -> None:
    rng = np.random.default_rng(0)
    read = {True: [0, 0], False: [0, 0]}
    for task in _tasks("train", 150):
        action = SOURCE.expert(task, rng).act(task.prompt)
        _, verb, relation, *_ = action.split()
        rare = verb in VERBS[RELATION_OF[verb]][2:]
        read[rare][0] += relation == RELATION_OF[verb]
        read[rare][1] += 1
        level = next(lv for lv in (FILM_RELATIONS, PERSON_RELATIONS, PLACE_RELATIONS) if RELATION_OF[verb] in lv)
        assert relation in level
    # About 1,200 draws each: five standard deviations are .043 and .071.
    assert read[False][0] / read[False][1] == pytest.approx(0.9, abs=0.045)
    assert read[True][0] / read[True][1] == pytest.approx(0.4, abs=0.075)


@pytest.mark.parametrize("task_id", ["train/0", "train/0/16", "dev/0/0", "train/65536/0", "train/0/00"])
def test_an_id_of_no_task_is_a_task_error(task_id: str) -> None:
    with pytest.raises(TaskError, match="no task of this source"):
        SOURCE.task(task_id)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="hops"):
        FictionalWorld(4)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="questions_per_world"):
        FictionalWorld(questions_per_world=0)
    with pytest.raises(ValueError, match="did you mean 'train'"):
        SOURCE.split("trian")
