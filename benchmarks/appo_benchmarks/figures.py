"""From scores and records to the figures of a benchmark.

Owns which figures there are and over what they are taken. Every mean is a mean over items of means over samples, so
that no item counts more than another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from appo_agent.analysis.statistics import Interval, bootstrap_interval, pass_at_k, wilson_interval
from appo_benchmarks.benchmark import Benchmark, Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.metrics import ballot, majority_score
from appo_benchmarks.record import EpisodeRecord, Key, latest
from appo_benchmarks.scoring import Outcome, Score

PASS_AT = (1, 2, 3, 4, 5, 8, 10, 16, 32, 64)
BOOTSTRAP_SEED = 0


class Count(NamedTuple):
    """How often something was there."""

    name: str
    number: int


class PassAt(NamedTuple):
    """Probability that one of k samples is right, over the items that have k samples."""

    k: int
    value: float
    items: int


class Group(NamedTuple):
    """The headline figure over a level or a subject."""

    kind: str
    name: str
    items: int
    value: float


@dataclass(frozen=True)
class JudgeFigures:
    """What the judge said, and how it compares with exact match.

    Attributes:
        model: of the judge.
        prompt_version: of `judge.PROMPT`.
        strict: mean over items of "correct".
        lenient: likewise of "correct" or right by the grader.
        neither: replies that say neither word.
        not_judged: answers without a verdict.
        agreement: share of judged answers on which judge and exact match agree; None without any.
        disagreements: (item, sample) of the others, as "item#sample".
    """

    model: str
    prompt_version: str
    strict: float
    lenient: float
    neither: int
    not_judged: int
    agreement: float | None
    disagreements: tuple[str, ...]


@dataclass(frozen=True)
class Costs:
    """What the episodes took; missing ones took nothing, and those that were played again took the tokens of all tries.

    Attributes:
        format_errors: share of played episodes with a turn that broke the format.
        length_stops: share with a turn that the token limit cut.
        tool_calls: mean of an episode.
        tool_errors: share of calls.
        prompt_tokens: in all, as the endpoint counts.
        completion_tokens: likewise.
        seconds: mean of an episode.
    """

    format_errors: float
    length_stops: float
    tool_calls: float
    tool_errors: float
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True)
class BenchmarkFigures:
    """All figures of one benchmark.

    Attributes:
        benchmark: its name.
        metric: what the headline is: "accuracy", "f1", "judge (strict)", or "grader, not judged".
        items: that were asked.
        samples: of each.
        outcomes: how the episodes ended; they add up to items times samples.
        left_out: failed and missing episodes that are in no mean; 0 unless that was asked for.
        headline: mean over items, in [0, 1].
        interval: 95%; Wilson's for one sample that is right or wrong and where all items have one score, bootstrap over
            items otherwise.
        graded: mean of the benchmark's grader.
        exact: mean of exact match.
        f1: mean of F1 of words.
        pass_at: for each k up to the number of samples.
        majority: mean score of the most frequent answer; None for one sample.
        groups: headline by level and by subject.
        failures: failed and missing episodes, as "item#sample: reason".
        judge: None without one.
        costs: of the played episodes.
    """

    benchmark: str
    metric: str
    items: int
    samples: int
    outcomes: tuple[Count, ...]
    left_out: int
    headline: float
    interval: Interval
    graded: float
    exact: float
    f1: float
    pass_at: tuple[PassAt, ...]
    majority: float | None
    groups: tuple[Group, ...]
    failures: tuple[str, ...]
    judge: JudgeFigures | None
    costs: Costs


class Ruler(NamedTuple):
    """The headline of a benchmark.

    Attributes:
        name: as reports show it.
        value: of an episode, in [0, 1].
        right: whether an episode counts as right, where that is asked.
    """

    name: str
    value: Callable[[Score], float]
    right: Callable[[Score], bool]


def ruler(benchmark: Benchmark, judged: bool) -> Ruler:
    """The headline figure, given whether there is a judge."""
    if benchmark.metric == "f1":
        return Ruler("f1", lambda score: score.f1, lambda score: score.exact >= 1)
    if benchmark.metric == "judge" and judged:
        return Ruler("judge (strict)", lambda score: score.strict, lambda score: score.strict >= 1)
    name = "grader, not judged" if benchmark.metric == "judge" else "accuracy"
    return Ruler(name, lambda score: score.graded, lambda score: score.graded >= 1)


def figures_of(
    benchmark: Benchmark,
    items: Sequence[Item],
    samples: int,
    attempts: Sequence[EpisodeRecord],
    scores: Sequence[Score],
    judge: tuple[str, str] | None,
    drop_failed: bool = False,
) -> BenchmarkFigures:
    """The figures.

    Args:
        benchmark: with the headline metric.
        items: that were asked.
        samples: of each.
        attempts: at the episodes, in any order but for those at one episode, of which the last counts.
        scores: of all episodes, from `score_episodes`.
        judge: its model and the version of its prompt; None without one.
        drop_failed: leave failed and missing episodes out instead of scoring them 0.

    Raises:
        BenchmarkError: nothing is left to take a mean of.
    """
    kept = [score for score in scores if not (drop_failed and score.outcome in ("failed", "missing"))]
    by_item = {item.id: [score for score in group] for item, group in _grouped(items, kept)}
    by_item = {item: group for item, group in by_item.items() if group}
    if not by_item:
        raise BenchmarkError(
            f"{benchmark.name}: all {len(scores)} episodes failed or are missing, and none is left to take a mean of; "
            "score them as failures, without --drop-failed"
        )
    measure = ruler(benchmark, judge is not None)
    means = {item: _mean(map(measure.value, group)) for item, group in by_item.items()}
    ended = Counter(score.outcome for score in scores)
    return BenchmarkFigures(
        benchmark=benchmark.name,
        metric=measure.name,
        items=len(items),
        samples=samples,
        outcomes=tuple([Count(outcome, ended[outcome]) for outcome in get_args(Outcome)]),
        left_out=len(scores) - len(kept),
        headline=_mean(means.values()),
        interval=_interval(list(means.values()), samples, binary=benchmark.metric != "f1"),
        graded=_item_mean(by_item, lambda score: score.graded),
        exact=_item_mean(by_item, lambda score: score.exact),
        f1=_item_mean(by_item, lambda score: score.f1),
        pass_at=_pass_at(by_item, samples, measure),
        majority=_majority(by_item, measure, benchmark.metric == "accuracy") if samples > 1 else None,
        groups=_groups(items, means),
        failures=_failures(scores, latest(attempts)),
        judge=_judge_figures(kept, by_item, *judge) if judge is not None else None,
        costs=_costs(attempts),
    )


def _grouped(items: Sequence[Item], scores: Sequence[Score]) -> Iterable[tuple[Item, list[Score]]]:
    found: dict[str, list[Score]] = {item.id: [] for item in items}
    for score in scores:
        found[score.item].append(score)
    return [(item, found[item.id]) for item in items]


def _mean(values: Iterable[float]) -> float:
    held = list(values)
    # fsum is exact, so that no order of items or samples changes a figure.
    return math.fsum(held) / len(held) if held else 0.0


def _item_mean(by_item: Mapping[str, Sequence[Score]], value: Callable[[Score], float]) -> float:
    return _mean(_mean(map(value, group)) for group in by_item.values())


def _interval(means: Sequence[float], samples: int, *, binary: bool) -> Interval:
    if samples == 1 and binary or len(set(means)) == 1:
        # Headlines other than F1 are 0 or 1 for one sample. Where all items have one score, a bootstrap knows no
        # spread, and Wilson's interval still does: it reckons with the largest variance that scores in [0, 1] can have
        # (Bhatia and Davis, 2000; see `wilson_interval`).
        return wilson_interval(math.fsum(means), len(means))
    # Sorted, so that the same items in another order give the same resamples.
    return bootstrap_interval(sorted(means), BOOTSTRAP_SEED)


def _pass_at(by_item: Mapping[str, Sequence[Score]], samples: int, measure: Ruler) -> tuple[PassAt, ...]:
    found = []
    for k in sorted({k for k in PASS_AT if k <= samples} | {samples}):
        enough = [group for group in by_item.values() if len(group) >= k]
        values = [pass_at_k(sum(map(measure.right, group)), len(group), k) for group in enough]
        found.append(PassAt(k, _mean(values), len(enough)))
    return tuple(found)


def _majority(by_item: Mapping[str, Sequence[Score]], measure: Ruler, mathematics: bool) -> float:
    return _mean(
        majority_score([ballot(score.answer, mathematics) for score in group], list(map(measure.value, group)))
        for group in by_item.values()
    )


def _groups(items: Sequence[Item], means: Mapping[str, float]) -> tuple[Group, ...]:
    found = []
    for kind, name_of in (("level", lambda item: item.level), ("subject", lambda item: item.subject)):
        for name in sorted({name_of(item) for item in items} - {""}):
            values = [means[item.id] for item in items if name_of(item) == name and item.id in means]
            if values:
                found.append(Group(kind, name, len(values), _mean(values)))
    return tuple(found)


def _failures(scores: Sequence[Score], records: Sequence[EpisodeRecord]) -> tuple[str, ...]:
    reasons = {record.key: record.error for record in records}
    return tuple(
        [
            f"{score.item}#{score.sample}: {reasons.get(Key(score.item, score.sample)) or 'not played yet'}"
            for score in scores
            if score.outcome in ("failed", "missing")
        ]
    )


def _judge_figures(
    kept: Sequence[Score], by_item: Mapping[str, Sequence[Score]], model: str, prompt_version: str
) -> JudgeFigures:
    answered = [score for score in kept if score.outcome == "answered"]
    decided = [score for score in answered if score.verdict in ("correct", "incorrect")]
    differ = [score for score in decided if (score.verdict == "correct") != (score.exact >= 1)]
    return JudgeFigures(
        model=model,
        prompt_version=prompt_version,
        strict=_item_mean(by_item, lambda score: score.strict),
        lenient=_item_mean(by_item, lambda score: score.lenient),
        neither=sum(score.verdict == "neither" for score in answered),
        not_judged=sum(score.verdict is None for score in answered),
        agreement=1 - len(differ) / len(decided) if decided else None,
        disagreements=tuple([f"{score.item}#{score.sample}" for score in differ]),
    )


def _costs(attempts: Sequence[EpisodeRecord]) -> Costs:
    records = latest(attempts)
    turns = [turn for record in records for turn in record.turns]
    calls = sum(turn.tool_calls for turn in turns)
    return Costs(
        format_errors=_mean(float(not record.format_ok and not record.truncated) for record in records),
        length_stops=_mean(float(any(turn.finish == "length" for turn in record.turns)) for record in records),
        tool_calls=calls / len(records) if records else 0.0,
        tool_errors=sum(turn.tool_errors for turn in turns) / calls if calls else 0.0,
        prompt_tokens=sum(turn.prompt_tokens for record in attempts for turn in record.turns),
        completion_tokens=sum(turn.completion_tokens for record in attempts for turn in record.turns),
        seconds=_mean(record.seconds for record in records),
    )
