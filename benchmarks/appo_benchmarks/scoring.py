"""From records, items and verdicts to the score of each episode.

Owns what an episode is worth and the order of all: items as in the data, samples by number. Missing and failed episodes
are worth 0, and are never left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from appo_benchmarks.benchmark import Benchmark, Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.judge import Case, Verdict, Word, case_key
from appo_benchmarks.record import EpisodeRecord, Key
from appo_benchmarks.unwrapping import unwrapped
from appo_envs.grading import best_score, exact_match, f1, math_equal

Outcome = Literal["answered", "no answer", "truncated", "failed", "missing"]


@dataclass(frozen=True)
class Score:
    """What one episode is worth.

    Attributes:
        item: id of the item.
        sample: number of the sample.
        outcome: how it ended.
        answer: of the model; empty without one.
        graded: by the benchmark's grader, in [0, 1].
        exact: exact match, 0 or 1.
        f1: of words, in [0, 1].
        verdict: of the judge; None where it was not asked.
    """

    item: str
    sample: int
    outcome: Outcome
    answer: str
    graded: float
    exact: float
    f1: float
    verdict: Word | None

    @property
    def strict(self) -> float:
        """1 if the judge says "correct"."""
        return float(self.verdict == "correct")

    @property
    def lenient(self) -> float:
        """1 if the judge or the grader is content, as the public APPO code counts."""
        return float(self.verdict == "correct" or self.graded >= 1)


def judged_case(item: Item, record: EpisodeRecord) -> Case | None:
    """What a judge is asked about an episode; None without an answer, which needs no judge."""
    if record.error or not record.answer or not record.answer.strip():
        return None
    return Case(item.question, item.golds, record.answer)


def score_episodes(
    benchmark: Benchmark,
    items: Sequence[Item],
    samples: int,
    records: Sequence[EpisodeRecord],
    verdicts: Mapping[str, Verdict],
    judge_model: str | None,
) -> tuple[Score, ...]:
    """The scores of all episodes that were asked for, in order.

    Args:
        benchmark: with the grader.
        items: in order.
        samples: of each item.
        records: in any order.
        verdicts: by key.
        judge_model: whose verdicts count; None for none.

    Raises:
        BenchmarkError: an episode is there twice, or was not asked for.
    """
    by_key = {record.key: record for record in records}
    if len(by_key) != len(records):
        raise BenchmarkError(f"{benchmark.name}: {len(records) - len(by_key)} episodes are there twice")
    scores = []
    for item in items:
        for sample in range(samples):
            record = by_key.pop(Key(item.id, sample), None)
            scores.append(_score(benchmark, item, sample, record, verdicts, judge_model))
    if by_key:
        raise BenchmarkError(f"{benchmark.name}: {len(by_key)} episodes were not asked for, such as {min(by_key)}")
    return tuple(scores)


def _score(
    benchmark: Benchmark,
    item: Item,
    sample: int,
    record: EpisodeRecord | None,
    verdicts: Mapping[str, Verdict],
    judge_model: str | None,
) -> Score:
    if record is None or record.error:
        return Score(item.id, sample, "missing" if record is None else "failed", "", 0.0, 0.0, 0.0, None)
    answer = record.answer
    if not answer or not answer.strip():
        return Score(item.id, sample, "truncated" if record.truncated else "no answer", "", 0.0, 0.0, 0.0, None)
    verdict: Word | None = None
    case = judged_case(item, record)
    if judge_model is not None and case is not None:
        found = verdicts.get(case_key(judge_model, case))
        verdict = None if found is None else found.word
    # Words are compared without markup: public code for such questions takes \text off. Formulas are read with theirs.
    bare = str if benchmark.grader is math_equal else unwrapped
    said, golds = bare(answer), [bare(gold) for gold in item.golds]
    graded, exact, words = [best_score(grader, said, golds) for grader in (benchmark.grader, exact_match, f1)]
    return Score(item.id, sample, "answered", answer, graded, exact, words, verdict)
