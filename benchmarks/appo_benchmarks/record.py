"""What an episode left behind, and its line on disk.

Owns the values and their JSON; grading is not part of a record, so that it can be done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.json_fields import from_fields


@dataclass(frozen=True)
class TurnRecord:
    """One answer of the endpoint and what it led to.

    Attributes:
        action: the text of the model.
        observation: what its calls gave back.
        finish: the endpoint's reason for the end of the text, such as "stop" or "length".
        prompt_tokens: as the endpoint counts, with those of refining.
        completion_tokens: likewise.
        tool_calls: that were made.
        tool_errors: of them, those that failed.
        documents: that the observation was refined from; empty where nothing is refined.
    """

    action: str
    observation: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    tool_calls: int = 0
    tool_errors: int = 0
    documents: str = ""


class Key(NamedTuple):
    """Which episode: an item and the number of the sample, from 0."""

    item: str
    sample: int


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode.

    Attributes:
        item: id of the item.
        sample: number of the sample, from 0.
        turns: in order.
        answer: what the model answered; None when it did not.
        format_ok: no turn broke the format.
        truncated: a limit on turns or calls ended it.
        error: why it failed although the model did nothing wrong; empty when it came through.
        seconds: wall-clock time.
        documents: that were put before the question; empty where the method retrieves none.
    """

    item: str
    sample: int
    turns: tuple[TurnRecord, ...]
    answer: str | None
    format_ok: bool
    truncated: bool
    error: str
    seconds: float
    documents: str = ""

    @property
    def key(self) -> Key:
        """Which episode it is."""
        return Key(self.item, self.sample)


def latest(attempts: Iterable[EpisodeRecord]) -> tuple[EpisodeRecord, ...]:
    """The last attempt at each episode, which is the one that counts."""
    return tuple({record.key: record for record in attempts}.values())


def to_line(record: EpisodeRecord) -> str:
    """The record as a line of JSON, with its end."""
    # ASCII keeps lone surrogates, which a model's text may hold, writable.
    return json.dumps(asdict(record), ensure_ascii=True, separators=(",", ":")) + "\n"


def from_line(line: str, where: str) -> EpisodeRecord:
    """Read a line.

    Raises:
        BenchmarkError: it is no record; the message says where it stands.
    """
    try:
        read = json.loads(line)
        turns = tuple([from_fields(TurnRecord, turn) for turn in read["turns"]])
        return from_fields(EpisodeRecord, read | {"turns": turns})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BenchmarkError(f"{where}: this is no record of an episode: {error}; was it edited?") from error
