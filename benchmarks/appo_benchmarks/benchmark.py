"""What a benchmark and its items are.

Owns the values alone: `registry.py` lists the benchmarks, `loaders.py` reads their items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from appo_envs.grading.base import Grader

Metric = Literal["accuracy", "f1", "judge"]
"""The headline figure: the grader's mean, the mean F1 of words, or the share that a judge calls correct."""


class Published(NamedTuple):
    """A number that somebody published.

    Attributes:
        system: model and training, such as "Qwen2.5-7B APPO".
        value: in percent.
        source: where it stands.
    """

    system: str
    value: float
    source: str


@dataclass(frozen=True)
class Benchmark:
    """A set of questions and the ruler for answers to them.

    Attributes:
        name: as it is written on the command line.
        title: as reports show it.
        hub: id of the data set on the Hugging Face hub: where the original can be had.
        split: of that data set.
        licence: of the data, or what is known about it.
        access: what must be accepted before it can be downloaded; empty where nothing must.
        canary: what its authors ask of those who publish outputs; empty where they ask nothing.
        folders: names of its folder under `--data-dir`, the usual one first.
        items: number of items of the public APPO evaluation file, or of the original where that file was not seen.
        ids_sha256: `loaders.ids_checksum` of the items of that file; empty where it was not seen.
        tools: that a policy with tools may use.
        grader: scores an answer against one gold answer.
        metric: the headline figure.
        published: figures to read ours beside.
        deep: answers are deep in the web, so that a policy may read whole pages.
    """

    name: str
    title: str
    hub: str
    split: str
    licence: str
    folders: tuple[str, ...]
    items: int
    ids_sha256: str
    tools: tuple[str, ...]
    grader: Grader
    metric: Metric
    published: tuple[Published, ...] = ()
    access: str = ""
    canary: str = ""
    deep: bool = False

    def tools_with(self, visits: bool) -> tuple[str, ...]:
        """The tools of a run.

        Args:
            visits: whether the run has pages; deep-search benchmarks read them then.
        """
        return (*self.tools, "visit") if visits and self.deep else self.tools


@dataclass(frozen=True)
class Item:
    """One question of a benchmark.

    Attributes:
        id: unique in its benchmark.
        question: as the model reads it.
        golds: the right answers, at least one; each is as good as the others.
        level: of difficulty, as the data names it; empty where it does not.
        subject: likewise.
    """

    id: str
    question: str
    golds: tuple[str, ...]
    level: str = ""
    subject: str = ""
