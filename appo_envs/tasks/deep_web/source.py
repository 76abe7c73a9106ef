"""Questions on little webs, new every few questions: pages to search and visit, some of them outdated.

A web has pages of people, firms, cities and bridges that link to each other. What changes in time is told "as of"
a year, and where two pages disagree, the latest year holds. Everything has neighbours with nearly its name.

Owns the settings and the ids; worlds, pages, questions and the demonstrator have files of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from appo_envs.seeding import derive_seed
from appo_envs.tasks.deep_web.drawing import draw_question
from appo_envs.tasks.deep_web.expert import DeepWebExpert
from appo_envs.tasks.deep_web.pages import pages
from appo_envs.tasks.deep_web.questions import answer
from appo_envs.tasks.deep_web.vocabulary import VOCABULARY
from appo_envs.tasks.deep_web.world import MAX_DISTRACTORS, World, draw_world
from appo_envs.tasks.library import Library
from appo_envs.tasks.names import SPLITS
from appo_envs.tasks.source import GeneratedSplit, address, check_split
from appo_envs.tasks.task import Task

WORLDS = 1 << 16
"""Worlds a split."""
MAX_HOPS = 6
_WORLDS_KEPT = 512


@dataclass(frozen=True)
class DeepWeb:
    """The task source.

    The metadata of a task holds `question`, as a `Question`, and `evidence`, a tuple of `Evidence`.

    Attributes:
        hops: facts that a question chains, 1 to 6. A computed question takes one to five more: the number that it
            compares with, or those of a list.
        distractors: things with nearly the same name for each thing, 0 to 3.
        conflicts: share of what changes in time that an outdated report contradicts, in [0, 1].
        computation: share of questions that compute with what they find, in [0, 1].
        questions_per_world: questions asked on one web before the next begins, at least 1.
        seed: of all webs.

    Raises:
        ValueError: a setting is out of range.
    """

    hops: int = 3
    distractors: int = 1
    conflicts: float = 0.5
    computation: float = 0.5
    questions_per_world: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        ranges = (
            ("hops", 1, MAX_HOPS),
            ("distractors", 0, MAX_DISTRACTORS),
            ("conflicts", 0, 1),
            ("computation", 0, 1),
            ("questions_per_world", 1, 1 << 20),
        )
        for name, least, most in ranges:
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must be in [{least}, {most}], got {value!r}")

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits share no names."""
        return SPLITS

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of pages, questions and code, syllables, numbers below 300 and years; see `vocabulary.py`."""
        return VOCABULARY

    def split(self, name: str) -> GeneratedSplit:
        """See `TaskSource.split`."""
        check_split(name, SPLITS)
        questions = self.questions_per_world

        def make(index: int) -> Task:
            return self._question(name, index // questions, index % questions)

        return GeneratedSplit(WORLDS * questions, questions, make)

    def task(self, task_id: str) -> Task:
        """The task of an id such as "train/123/7": web 123 of the training split, question 7."""
        split, (number, question) = address(task_id, SPLITS, (WORLDS, self.questions_per_world))
        return self._question(split, number, question)

    def library(self, task: Task) -> Library:
        """The pages of the task's web."""
        split, (number, _) = address(task.id, SPLITS, (WORLDS, self.questions_per_world))
        return _library(self.seed, split, number, self.distractors, self.conflicts)

    def expert(self, task: Task, rng: np.random.Generator) -> DeepWebExpert:
        """A demonstrator; see `DeepWebExpert`."""
        return DeepWebExpert(task.prompt, rng)

    def _question(self, split: str, number: int, place: int) -> Task:
        world = _world(self.seed, split, number, self.distractors, self.conflicts)
        rng = np.random.default_rng(derive_seed(self.seed, "deep web question", split, number, place))
        question = draw_question(world, self.hops, self.computation, rng)
        found = answer(question, world)
        metadata = {"question": question, "evidence": found.evidence}
        return Task(f"{split}/{number}/{place}", str(question), found.text, metadata)


# Shared by all environments of a process. A world takes about half a millisecond, its pages another, which only
# episodes that search or visit pay.
@lru_cache(maxsize=_WORLDS_KEPT)
def _world(seed: int, split: str, number: int, distractors: int, conflicts: float) -> World:
    rng = np.random.default_rng(derive_seed(seed, "deep web", split, number))
    return draw_world(split, distractors, conflicts, rng)


@lru_cache(maxsize=_WORLDS_KEPT)
def _library(seed: int, split: str, number: int, distractors: int, conflicts: float) -> Library:
    return Library(pages(_world(seed, split, number, distractors, conflicts)))
