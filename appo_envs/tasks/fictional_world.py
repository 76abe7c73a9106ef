"""Questions on small made-up worlds, new every few questions: facts can only be looked up.

A world has films, people, cities and firms. A question names a film and a chain of verbs, "directed Ba Gor ;
married ; born ?", and asks for the name at its end. Each relation has four verbs; two of them are common and
two are rare, and the demonstrator knows the common ones well and the rare ones badly: that is what there is
to learn.

Owns the worlds, their questions and what can be searched in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from appo_envs.seeding import derive_seed
from appo_envs.tasks.corpus import Corpus
from appo_envs.tasks.fictional_expert import FictionalExpert
from appo_envs.tasks.names import FIRST_SYLLABLES, SECOND_SYLLABLES, SPLITS, is_name, names
from appo_envs.tasks.relations import (
    FILM_RELATIONS,
    LEVELS,
    PERSON_RELATIONS,
    PLACE_RELATIONS,
    RELATIONS,
    VERBS,
)
from appo_envs.tasks.source import GeneratedSplit, address, check_split
from appo_envs.tasks.task import Task

FILMS, PEOPLE, CITIES, FIRMS = 40, 40, 20, 20
WORLDS = 1 << 16
"""Worlds a split."""

SEARCH_DESCRIPTION = (
    "looks up one fact. Write a relation and a name, for example: director Ba Gor. "
    f"The relations of a film are {' and '.join(FILM_RELATIONS)}; those of a person are "
    f"{', '.join((*PERSON_RELATIONS, *PLACE_RELATIONS))}."
)


class Fact(NamedTuple):
    """One edge of a world: the relation of the entity is the value."""

    entity: str
    relation: str
    value: str

    def __str__(self) -> str:
        return f"{self.entity} {self.relation} {self.value}"


class World(NamedTuple):
    """A world: its questions and what can be found in it."""

    tasks: tuple[Task, ...]
    corpus: Corpus


@dataclass(frozen=True)
class FictionalWorld:
    """The task source.

    Attributes:
        hops: facts that a question chains; the difficulty.
        questions_per_world: questions asked on one world before the next begins.
        seed: of all worlds.

    Raises:
        ValueError: a setting is out of range.
    """

    hops: Literal[1, 2, 3] = 3
    questions_per_world: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.hops not in LEVELS:
            raise ValueError(f"hops must be 1, 2 or 3, got {self.hops!r}")
        if self.questions_per_world < 1:
            raise ValueError(f"questions_per_world must be at least 1, got {self.questions_per_world}")

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits share no names."""
        return SPLITS

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Relations, verbs, syllables, punctuation, and what the search tool says besides facts."""
        verbs = [verb for relation in RELATIONS for verb in VERBS[relation]]
        said = ";", "?", ":", "none", "found", "error", "malformed", "query"
        return (*RELATIONS, *verbs, *FIRST_SYLLABLES, *SECOND_SYLLABLES, *said)

    def split(self, name: str) -> GeneratedSplit:
        """See `TaskSource.split`."""
        check_split(name, SPLITS)
        questions = self.questions_per_world

        def make(index: int) -> Task:
            return _world(self, name, index // questions).tasks[index % questions]

        return GeneratedSplit(WORLDS * questions, questions, make)

    def task(self, task_id: str) -> Task:
        """The task of an id such as "train/123/7": world 123 of the training split, question 7."""
        split, (world, question) = address(task_id, SPLITS, (WORLDS, self.questions_per_world))
        return _world(self, split, world).tasks[question]

    def corpus(self, task: Task) -> Corpus:
        """The facts of the task's world, each found by its relation and entity."""
        split, (world, _) = address(task.id, SPLITS, (WORLDS, self.questions_per_world))
        return _world(self, split, world).corpus

    def expert(self, task: Task, rng: np.random.Generator) -> FictionalExpert:
        """A demonstrator; see `FictionalExpert`."""
        return FictionalExpert(task.prompt, rng)


def is_query(text: str) -> bool:
    """Whether a query is one relation followed by one name, and nothing else.

    A tool that looked for a relation and a name anywhere in the query was exploited in training.
    """
    words = text.split()
    return len(words) == 3 and words[0] in RELATIONS and is_name(words[1], words[2])


# Shared by all environments of a process. Episodes of one world come close together, and a world takes about
# 0.4 ms to build and a megabyte with its search index.
@lru_cache(maxsize=64)
def _world(source: FictionalWorld, split: str, number: int) -> World:
    rng = np.random.default_rng(derive_seed(source.seed, "fictional world", split, number))
    facts = _draw_facts(split, rng)
    films = list(dict.fromkeys(entity for entity, relation in facts if relation in FILM_RELATIONS))
    tasks = [
        _draw_question(f"{split}/{number}/{question}", source.hops, facts, films, rng)
        for question in range(source.questions_per_world)
    ]
    keys = tuple(f"{fact.relation} {fact.entity}" for fact in facts.values())
    return World(tuple(tasks), Corpus(keys, tuple(map(str, facts.values())), is_query))


def _draw_facts(split: str, rng: np.random.Generator) -> dict[tuple[str, str], Fact]:
    """All facts of a world by (entity, relation)."""
    inventory = names(split)
    drawn = [inventory[i] for i in rng.permutation(len(inventory))[: FILMS + PEOPLE + CITIES + FIRMS]]
    films, people = drawn[:FILMS], drawn[FILMS : FILMS + PEOPLE]
    cities, firms = drawn[FILMS + PEOPLE : -FIRMS], drawn[-FIRMS:]
    facts: dict[tuple[str, str], Fact] = {}

    def add(entity: str, relation: str, value: str) -> None:
        facts[entity, relation] = Fact(entity, relation, value)

    for relation in FILM_RELATIONS:
        for film, person in zip(films, rng.integers(PEOPLE, size=FILMS), strict=True):
            add(film, relation, people[person])
    for relation in PERSON_RELATIONS:
        # An offset of at least one: nobody is married to themselves.
        for i, offset in enumerate(rng.integers(1, PEOPLE, size=PEOPLE)):
            add(people[i], relation, people[(i + offset) % PEOPLE])
    for relation in PLACE_RELATIONS:
        places = firms if relation == "employer" else cities
        for person, place in zip(people, rng.integers(len(places), size=PEOPLE), strict=True):
            add(person, relation, places[place])
    return facts


def _draw_question(
    task_id: str, hops: int, facts: Mapping[tuple[str, str], Fact], films: list[str], rng: np.random.Generator
) -> Task:
    film = films[rng.integers(len(films))]
    entity, verbs, evidence = film, [], []
    for level in LEVELS[hops]:
        relation = level[rng.integers(len(level))]
        verbs.append(VERBS[relation][rng.integers(len(VERBS[relation]))])
        evidence.append(facts[entity, relation])
        entity = evidence[-1].value
    prompt = " ; ".join([f"{verbs[0]} {film}", *verbs[1:]]) + " ?"
    return Task(task_id, prompt, entity, {"evidence": tuple(evidence)})
