"""A comparison as text: a summary for the terminal, and a Markdown page.

Owns wording and tables; every figure comes from `Findings`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from appo_agent.analysis.compare.findings import Findings
from appo_agent.analysis.compare.outcome import Outcome
from appo_agent.analysis.compare.verdict import ANSWERS, Difference

_BLANK = "-"


def summary(findings: Findings) -> str:
    """The primary differences, one line each."""
    return "\n".join(
        f"{each.environment}: {each.first} - {each.second}  {_points(each)}, adjusted p {each.adjusted_p:.3g}: "
        f"{ANSWERS[each.answer]}"
        for each in findings.differences
        if each.primary
    )


def markdown(findings: Findings, level: int = 1) -> str:
    """The whole report.

    Args:
        findings: what was found.
        level: of the first heading.
    """
    mark = "#" * level
    parts = [
        f"{mark} Comparison `{findings.name}`",
        findings.about,
        _setting(findings),
        f"{mark}# Primary differences",
        _primary_table(findings),
        _primary_note(findings),
        f"{mark}# Success by arm",
        "Means over seeds with 95% bootstrap intervals over seeds; differences from the reference arm are exploratory: "
        "not corrected, and no verdict.",
        *(_arm_table(findings, environment) for environment in findings.environments),
        *_variants(findings, mark),
        f"{mark}# What training took",
        "Means over seeds. Wasted: generated tokens that no update used. Silent: groups whose rewards were all equal. "
        "Overhead: processor seconds against the reference arm.",
        *(_cost_table(findings, environment) for environment in findings.environments),
        f"{mark}# Seconds by phase",
        "Medians over seeds, on the wall's clock: one run that was suspended for a while does not move them.",
        *(_phase_table(findings, environment) for environment in findings.environments),
        f"{mark}# Learning rates",
        _rate_table(findings),
        "Ran on " + ", ".join(f"{name} {version}" for name, version in findings.versions.items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _setting(findings: Findings) -> str:
    protocol = findings.protocol
    lines = []
    for environment in findings.environments:
        needed = [each.pairs for each in protocol.pilot if each.environment == environment]
        text = f"- {environment}: {protocol.pairs[environment]} pairs"
        if needed:
            text += (
                f"; the pilot asked for {max(needed)} for the wanted power at {100 * findings.target_difference:g} "
                f"points, and with those that were run the power is {protocol.power[environment]:.2f}"
            )
        lines.append(text)
    return "Pairs share seed and cold start. Decided before the confirmatory runs:\n\n" + "\n".join(lines)


def _primary_table(findings: Findings) -> str:
    rows = [
        (
            each.environment,
            f"{each.first} - {each.second}",
            len(each.differences),
            _points(each),
            _number(each.p),
            _number(each.adjusted_p),
            f"{each.improvement:.2f}",
            f"{each.power:.2f}" if each.power is not None else _BLANK,
            ANSWERS[each.answer],
        )
        for each in findings.differences
        if each.primary
    ]
    head = ("environment", "difference", "pairs", "points [95%]", "p", "adjusted p", "P(better)", "power", "answer")
    return _table(head, rows)


def _primary_note(findings: Findings) -> str:
    return (
        "p: paired permutation test; adjusted by Holm over all rows. P(better): share of the pairs in which the first "
        f"was better. Power: to find {100 * findings.target_difference:g} points with the spread that was observed, at "
        "the level that the hardest row must meet."
    )


def _arm_table(findings: Findings, environment: str) -> str:
    reference = _reference(findings, environment)
    over = {
        each.first: each for each in findings.differences if (each.environment, each.second) == (environment, reference)
    }
    rows = []
    for arm in findings.arms:
        outcomes = findings.of(environment, arm)
        if not outcomes:
            continue
        passes = next((outcome.pass_at for outcome in outcomes), ())
        rows.append(
            (
                arm,
                len(outcomes),
                f"{_mean(outcomes, lambda outcome: outcome.before):.3f}",
                f"{_mean(outcomes, lambda outcome: outcome.after):.3f}",
                _points(over[arm]) if arm in over else _BLANK,
                *(f"{_mean(outcomes, lambda outcome, k=k: outcome.pass_at[k - 1]):.3f}" for k in _shown_k(len(passes))),
            )
        )
    passes = _shown_k(max((len(outcome.pass_at) for _, outcome in findings.outcomes), default=0))
    head = ("arm", "seeds", "before", "after", f"points over {reference}", *(f"pass@{k}" for k in passes))
    return f"**{environment}**\n\n" + _table(head, rows)


def _reference(findings: Findings, environment: str) -> str:
    """The arm that all others are compared with."""
    return next(each.second for each in findings.differences if each.environment == environment)


def _variants(findings: Findings, mark: str) -> list[str]:
    """What a change to an arm does: differences that are neither primary nor from the reference."""
    rows = [
        (each.environment, f"{each.first} - {each.second}", len(each.differences), _points(each))
        for each in findings.differences
        if not each.primary and each.second != _reference(findings, each.environment)
    ]
    if not rows:
        return []
    note = "Arms against the arm whose learning rate they take, on the seeds of both; exploratory."
    return [f"{mark}# One thing changed", note, _table(("environment", "difference", "pairs", "points [95%]"), rows)]


def _shown_k(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`."""
    return [1 << power for power in range(most.bit_length()) if 1 << power <= most]


def _cost_table(findings: Findings, environment: str) -> str:
    base = findings.of(environment, _reference(findings, environment))
    rows = []
    for arm in findings.arms:
        outcomes = findings.of(environment, arm)
        if outcomes:
            rows.append((arm, *_cost_row(outcomes, base)))
    head = ("arm", "tokens", "wasted", "rollouts", "updates", "tool calls", "duplicates", "unspent", "silent", "CPU s")
    return f"**{environment}**\n\n" + _table((*head, "overhead"), rows)


def _cost_row(outcomes: Sequence[Outcome], base: Sequence[Outcome]) -> tuple[str, ...]:
    def mean(read: Callable[[Outcome], float]) -> float:
        return _mean(outcomes, read)

    tokens, branches = mean(lambda each: each.spent.tokens), mean(lambda each: each.spent.branches)
    cpu = mean(lambda each: each.spent.cpu_seconds)
    return (
        f"{tokens:,.0f}",
        f"{mean(lambda each: each.spent.wasted_tokens) / tokens:.0%}" if tokens else _BLANK,
        f"{mean(lambda each: each.spent.rollouts):,.0f}",
        f"{mean(lambda each: each.spent.updates):,.0f}",
        f"{mean(lambda each: each.spent.tool_calls):,.0f}",
        f"{mean(lambda each: each.spent.duplicate_branches) / branches:.0%}" if branches else _BLANK,
        f"{mean(lambda each: each.spent.unspent_branches):,.0f}" if branches else _BLANK,
        f"{mean(lambda each: each.spent.groups_without_signal):.0%}",
        f"{cpu:.0f}",
        f"{cpu / _mean(base, lambda each: each.spent.cpu_seconds) - 1:+.0%}",
    )


def _phase_table(findings: Findings, environment: str) -> str:
    found = {arm: findings.of(environment, arm) for arm in findings.arms}
    phases = list(dict.fromkeys(name for outcomes in found.values() for each in outcomes for name in _phases(each)))
    rows = [
        (arm, *(f"{statistics.median(_phases(each).get(name, 0.0) for each in outcomes):.1f}" for name in phases))
        for arm, outcomes in found.items()
        if outcomes
    ]
    return f"**{environment}**\n\n" + _table(("arm", *phases), rows)


def _phases(outcome: Outcome) -> dict[str, float]:
    return dict(outcome.spent.phase_seconds)


def _rate_table(findings: Findings) -> str:
    if not findings.tried:
        return "One rate for all: " + ", ".join(sorted({f"{rate:g}" for *_, rate in findings.rates})) + "."
    chosen = {(environment, arm): rate for environment, arm, rate in findings.rates}
    rates = sorted({each.rate for each in findings.tried})
    grid: dict[tuple[str, str], dict[float, str]] = {}
    for each in findings.tried:
        text = f"{statistics.fmean(each.success):.3f}"
        best = chosen[each.environment, each.arm] == each.rate
        grid.setdefault((each.environment, each.arm), {})[each.rate] = f"**{text}**" if best else text
    rows = [(*place, *(row.get(rate, _BLANK) for rate in rates)) for place, row in grid.items()]
    at_edge = [f"{arm} on {place}" for place, arm in grid if chosen[place, arm] in (rates[0], rates[-1])]
    note = (
        "Mean validation success on the exploration seeds; the chosen rate is bold. Arms that are not listed take the "
    )
    note += "rate of one that is."
    if at_edge and len(rates) > 2:
        note += f" At the edge of the grid, so that a rate beyond it may be better: {', '.join(at_edge)}."
    return note + "\n\n" + _table(("environment", "arm", *(f"{rate:g}" for rate in rates)), rows)


def _points(difference: Difference) -> str:
    low, high = difference.interval
    return f"{100 * difference.mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _number(value: float | None) -> str:
    return _BLANK if value is None else f"{value:.3g}"


def _mean(outcomes: Sequence[Outcome], read: Callable[[Outcome], float]) -> float:
    return statistics.fmean(read(outcome) for outcome in outcomes)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
