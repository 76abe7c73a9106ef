"""A diagnosis as text: a summary for the terminal, and a Markdown page.

Owns wording and tables; every figure comes from `Diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from appo_agent.analysis.diagnose.diagnosis import Diagnosis
from appo_agent.analysis.diagnose.rules import BINS
from appo_agent.analysis.statistics import Interval

_BLANK = "-"
_MOST_WORDS = 12


def summary(diagnosis: Diagnosis) -> str:
    """The rules, one line each."""
    return _aligned(_RULE_HEAD, _rule_rows(diagnosis))


def markdown(diagnosis: Diagnosis, level: int = 1) -> str:
    """The whole page.

    Args:
        diagnosis: what was found.
        level: of the first heading.
    """
    mark = "#" * level
    how = diagnosis.config.measure
    parts = [
        f"{mark} Where decisions matter: {diagnosis.algorithm} on {diagnosis.env}, seed {diagnosis.seed}",
        f"{diagnosis.measured_tokens} tokens of {diagnosis.measured_rollouts} rollouts of the {how.split} split, "
        f"{how.continuations} continuations from each, after one training step on other prompts. Criticality is "
        "Var_a Q(s, a): how much of the reward's variance the next token decides.",
        f"{mark}# Rules",
        f"Rank correlation with criticality within fifths of the rollouts; share of all criticality that lies at the "
        f"{diagnosis.config.branches} best tokens of each rollout; 95 % intervals over rollouts. The oracle chooses by "
        "half of the continuations and is judged by the other half.",
        _table(_RULE_HEAD, _rule_rows(diagnosis)),
        f"{mark}# Along a rollout",
        "Theorem 3.1 takes Var(R | s) to be the same everywhere.",
        _table(
            ("part", "tokens", "Var(R \\| s)", "criticality", "entropy"),
            [
                (f"{number / BINS:.0%} to {(number + 1) / BINS:.0%}", each.tokens, *map(_figure, each[1:]))
                for number, each in enumerate(diagnosis.bins)
            ],
        ),
        f"{mark}# Where choices fall",
        _table(
            ("place", "of all tokens", "criticality", *diagnosis.rules),
            [
                (
                    each.place,
                    f"{each.tokens:.0%}",
                    _figure(each.criticality),
                    *(f"{share:.0%}" for share in each.chosen),
                )
                for each in diagnosis.places
            ],
        ),
        f"{mark}# Most chosen tokens",
        "\n".join(
            f"- {rule}: " + ", ".join(f"`{word}` {count}" for word, count in words[:_MOST_WORDS])
            for rule, words in zip(diagnosis.rules, diagnosis.words, strict=True)
        ),
        *_gradients(diagnosis, mark),
        *_omega(diagnosis, mark),
        *_branches(diagnosis, mark),
    ]
    return "\n\n".join(parts) + "\n"


_RULE_HEAD = ("rule", "correlation [95%]", "captured [95%]")


def _rule_rows(diagnosis: Diagnosis) -> list[tuple[str, str, str]]:
    return [
        (
            each.rule,
            _with_interval(each.correlation, each.correlation_interval),
            _with_interval(each.captured, each.captured_interval),
        )
        for each in diagnosis.rule_figures
    ]


def _gradients(diagnosis: Diagnosis, mark: str) -> list[str]:
    if not diagnosis.gradients:
        return []
    rows = [
        (
            each.algorithm,
            f"{each.tokens:,.0f}",
            f"{each.variance:.3g}",
            f"{each.signal:.3g}",
            _tokens(each.noise) + f" [{_tokens(each.interval.low)}, {_tokens(each.interval.high)}]",
        )
        for each in diagnosis.gradients
    ]
    return [
        f"{mark}# Noise of the gradient",
        "Tokens after which a gradient has as much noise as signal (variance x tokens / signal); less is better. "
        "Dashes: the noise hides the signal.",
        _table(("algorithm", "tokens a draw", "variance", "signal", "tokens for noise = signal [95%]"), rows),
    ]


def _tokens(count: float) -> str:
    return _BLANK if math.isnan(count) else f"{count:,.0f}"


def _omega(diagnosis: Diagnosis, mark: str) -> list[str]:
    if not diagnosis.omega:
        return []
    last = diagnosis.omega[-1]
    mini_batches = range(max(len(each.spreads) for each in diagnosis.omega))
    rows = [
        (f"mini-batch {number}", *(_spread(each.spreads, number) for each in (diagnosis.omega[0], last)))
        for number in mini_batches
    ]
    floor = "not measured" if diagnosis.noise_floor is None else f"{diagnosis.noise_floor:.2g}"
    return [
        f"{mark}# Omega over training",
        f"Standard deviation of log Omega; the noise floor is {floor}.",
        _table(("", f"step {diagnosis.omega[0].step}", f"step {last.step}"), rows),
    ]


def _spread(spreads: Sequence[float], number: int) -> str:
    return f"{spreads[number]:.2g}" if number < len(spreads) else _BLANK


def _branches(diagnosis: Diagnosis, mark: str) -> list[str]:
    if not diagnosis.branches:
        return []
    clusters = {each.cluster for each in diagnosis.branches} - {-1}
    alone = sum(each.cluster == -1 for each in diagnosis.branches) / len(diagnosis.branches)
    return [
        f"{mark}# Branches",
        f"{len(diagnosis.branches):,} branches in {len(clusters)} clusters; {alone:.0%} belong to none.",
    ]


def _with_interval(value: float, interval: Interval) -> str:
    if math.isnan(value):
        return _BLANK
    return f"{_figure(value)} [{_figure(interval.low)}, {_figure(interval.high)}]"


def _figure(value: float) -> str:
    return _BLANK if math.isnan(value) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
    )
