"""Two runs on the same items: differences, their intervals, and how surprising they are.

Owns the pairing. Formulas are in `metrics.py` and `appo_agent.analysis.statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from appo_agent.analysis.statistics import Interval, bootstrap_interval, holm, paired_permutation
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.figures import Ruler, ruler
from appo_benchmarks.metrics import McNemar, mcnemar
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.report import evidence_of
from appo_benchmarks.results import ResultFolder
from appo_benchmarks.scoring import Score
from appo_envs.seeding import derive_seed


@dataclass(frozen=True)
class Comparison:
    """Two runs on one benchmark.

    Attributes:
        benchmark: its name.
        metric: of both means.
        items: that both were asked.
        a: mean of the first, in [0, 1].
        b: mean of the second.
        difference: b - a.
        interval: 95% bootstrap interval of the difference, over items; None with fewer than two.
        p: of the paired permutation test.
        p_holm: `p` adjusted for all benchmarks that are compared.
        mcnemar: where each item has one sample, and it is right or wrong; otherwise None.
        failed_a: failed and missing episodes of the first, which count as 0.
        failed_b: likewise.
    """

    benchmark: str
    metric: str
    items: int
    a: float
    b: float
    difference: float
    interval: Interval | None
    p: float
    p_holm: float
    mcnemar: McNemar | None
    failed_a: int
    failed_b: int


class _Side(NamedTuple):
    means: Mapping[str, float]
    samples: int
    failed: int


def compare_runs(a: ResultFolder, b: ResultFolder, judge: str = "", seed: int = 0) -> tuple[Comparison, ...]:
    """Compare two runs on the benchmarks that both have.

    Args:
        a: the first, which the other is measured against.
        b: the second.
        judge: the model whose verdicts count for both; empty for none.
        seed: of resampling.

    Raises:
        BenchmarkError: they share no benchmark, or were asked different items of one.
    """
    ours = {source.benchmark: source for source in a.info().sources}
    theirs = {source.benchmark: source for source in b.info().sources}
    names = [name for name in ours if name in theirs]
    if not names:
        raise BenchmarkError(f"{a.path} has {', '.join(ours)}, {b.path} has {', '.join(theirs)}: nothing to compare")
    found = [_compared(name, a, b, judge, derive_seed(seed, name) % 2**32) for name in names]
    adjusted = holm([one.p for one in found])
    return tuple([replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)])


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons in Markdown."""
    heads = ("benchmark", "metric", "items", "A", "B", "B - A", "95% interval", "p", "p (Holm)")
    heads = (*heads, "only A / only B right (p)", "failed or missing A / B")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for one in comparisons:
        interval = "" if one.interval is None else f"{one.interval.low:+.1%} to {one.interval.high:+.1%}"
        pairs = "" if one.mcnemar is None else f"{one.mcnemar.only_a} / {one.mcnemar.only_b} ({one.mcnemar.p:.3g})"
        cells = (one.benchmark, one.metric, str(one.items), f"{one.a:.1%}", f"{one.b:.1%}", f"{one.difference:+.1%}")
        cells = (*cells, interval, f"{one.p:.3g}", f"{one.p_holm:.3g}", pairs, f"{one.failed_a} / {one.failed_b}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _compared(name: str, a: ResultFolder, b: ResultFolder, judge: str, seed: int) -> Comparison:
    if {item.id: item for item in a.items(name)} != {item.id: item for item in b.items(name)}:
        raise BenchmarkError(f"{name}: {a.path} and {b.path} were asked different items; run both with the same data")
    measure = ruler(benchmark_of(name), bool(judge))
    first, second = _side(name, a, judge, measure), _side(name, b, judge, measure)
    keys = sorted(first.means)
    differences = [second.means[key] - first.means[key] for key in keys]
    binary = benchmark_of(name).metric != "f1" and first.samples == second.samples == 1
    pairs = [first.means[key] >= 1 for key in keys], [second.means[key] >= 1 for key in keys]
    means = sum(first.means.values()) / len(keys), sum(second.means.values()) / len(keys)
    p = paired_permutation(differences, seed)
    return Comparison(
        name,
        measure.name,
        len(keys),
        *means,
        means[1] - means[0],
        bootstrap_interval(differences, seed) if len(keys) > 1 else None,
        p,
        p,
        mcnemar(*pairs) if binary else None,
        first.failed,
        second.failed,
    )


def _side(name: str, folder: ResultFolder, judge: str, measure: Ruler) -> _Side:
    info = folder.info()
    source = next(source for source in info.sources if source.benchmark == name)
    scores: dict[str, list[Score]] = {}
    evidence = evidence_of(folder, source, info.samples, judge)
    for score in evidence.scores:
        scores.setdefault(score.item, []).append(score)
    means = {key: sum(map(measure.value, group)) / len(group) for key, group in scores.items()}
    return _Side(means, info.samples, len(evidence.figures.failures))
