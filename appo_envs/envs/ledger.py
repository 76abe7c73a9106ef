"""Ledgers that are read aloud: long thinking with few decisions, planted where no tool is called."""

from __future__ import annotations

from collections.abc import Mapping

from appo_envs.env import ToolEnv
from appo_envs.errors import ToolError
from appo_envs.grading import number_equal
from appo_envs.rewards import OutcomeReward
from appo_envs.tasks.ledgers import Ledgers
from appo_envs.tasks.task import Task
from appo_envs.tools.base import ToolSchema, tool_schema

_DESCRIPTION = "Look up the opening balance of an account by its name."


def ledger(
    *,
    entries: int = 32,
    decisions: int = 2,
    limit: int = 100,
    seed: int = 0,
    split: str = "train",
    max_turns: int = 4,
    max_tool_calls: int = 3,
    mask_truncated: bool = False,
    dialect: str = "tags",
    action_format: str = "text",
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment `appo/Ledger-v0`.

    Args:
        entries: lines of a ledger; a rollout has about five words a line.
        decisions: lines whose verb has to be learned.
        limit: balances are in [0, limit).
        seed: of the ledgers.
        split: "train", "validation" or "test"; they share no account.
        max_turns: see `ToolEnv`.
        max_tool_calls: see `ToolEnv`.
        mask_truncated: reward unfinished episodes with 0 instead of -1.
        dialect: how the model's text calls tools: "tags", "hermes", "native" or another registered name.
        action_format: see `ToolEnv`.
        render_mode: see `ToolEnv`.

    Raises:
        ValueError: a setting is out of range.
    """
    return ToolEnv(
        Ledgers(entries, decisions, limit, seed),
        [OpeningBalance],
        dialect,
        number_equal,
        OutcomeReward(mask_truncated=mask_truncated),
        split=split,
        max_turns=max_turns,
        max_tool_calls=max_tool_calls,
        action_format=action_format,
        render_mode=render_mode,
    )


class OpeningBalance:
    """The tool: the opening balance of the ledger's account, and of no other."""

    def __init__(self) -> None:
        self._task: Task | None = None

    @property
    def name(self) -> str:
        """Always "lookup"."""
        return "lookup"

    @property
    def schema(self) -> ToolSchema:
        """See `Tool.schema`."""
        return tool_schema("lookup", _DESCRIPTION, argument="account", argument_description="its name")

    def reset(self, task: Task) -> None:
        """Turn to the task's ledger."""
        self._task = task

    def call(self, arguments: Mapping[str, object], /) -> str:
        """The balance, or that there is none.

        Raises:
            ToolError: the account is no text.
            RuntimeError: `reset` was never called.
        """
        if self._task is None:
            raise RuntimeError("lookup has no ledger yet: call reset with a task first")
        account = arguments["account"]
        if not isinstance(account, str):
            raise ToolError(f"error : account must be a text, got {type(account).__name__}")
        known = " ".join(account.split()) == self._task.metadata["account"]
        return str(self._task.metadata["opening"]) if known else "none found"

    def snapshot(self) -> None:
        """None: a lookup changes nothing."""
        return None

    def restore(self, state: object | None, /) -> None:
        """Nothing to do: the ledger came with `reset`."""

    def close(self) -> None:
        """Let go of the ledger."""
        self._task = None
