"""What a task is: one question with its gold answer.

Owns the value alone; `source.py` says where tasks come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Task:
    """One question with its gold answer.

    Attributes:
        id: unique in its source, from the data to the report; the source rebuilds the task from it.
        prompt: the question as the model reads it.
        answer: the gold answer; empty where nobody knows it, and every answer scores 0. Graders see it;
            observations and `info` never hold it.
        aliases: other spellings of the gold answer, each as good as it.
        metadata: what else is known, such as the evidence; copied and read-only. Not part of the hash.

    Raises:
        TypeError: the id, the prompt, the answer or an alias is no string.
        ValueError: the id or the prompt is empty.
    """

    id: str
    prompt: str
    answer: str
    metadata: Mapping[str, object] = field(default_factory=dict, hash=False)
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.aliases, str):
            raise TypeError(f"the aliases of task {self.id!r} are a tuple of strings, got the one {self.aliases!r:.80}")
        object.__setattr__(self, "aliases", tuple(self.aliases))
        for name, text in (
            ("id", self.id),
            ("prompt", self.prompt),
            ("answer", self.answer),
            *(("alias", alias) for alias in self.aliases),
        ):
            if not isinstance(text, str):
                raise TypeError(f"the {name} of a task is a string, got {type(text).__name__} {text!r:.80}")
        if not self.id or not self.prompt:
            raise ValueError(f"a task needs an id and a prompt, got id {self.id!r} and prompt {self.prompt!r}")
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def asking(self, prompt: str) -> Task:
        """The task with another question, to which nobody knows the answer."""
        return replace(self, prompt=prompt, answer="", aliases=())

    def __reduce__(self) -> tuple[type[Task], tuple[str, str, str, dict[str, object], tuple[str, ...]]]:
        # A mapping proxy cannot be pickled, and tasks travel between processes.
        return Task, (self.id, self.prompt, self.answer, dict(self.metadata), self.aliases)
