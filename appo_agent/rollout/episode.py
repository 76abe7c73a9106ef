"""One episode under way: the environment, the tokens so far, and what they become when it ends.

Owns the meeting of text and tokens: what the policy wrote is decoded for the environment and never encoded again; what
the environment says is encoded once and appended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import gymnasium
import numpy as np

import appo_envs
from appo_agent.policies.base import GenerationRequest, Tokenizer
from appo_agent.rollout.tool_env import tool_env
from appo_agent.types import BranchPoint, Generation, Rollout, TokenSpan, Turn
from appo_envs import CutText, ToolEnv
from appo_envs.errors import EnvError
from appo_envs.forking import WrappedState
from appo_envs.seeding import derive_seed


@dataclass(frozen=True)
class SamplingConfig:
    """How turns are generated."""

    temperature: float = 1.0
    """Divides the logits, > 0. Log-probs and entropies are at this temperature everywhere."""
    max_turn_tokens: int = 40
    """Most tokens a turn, at least 1."""
    max_rollout_tokens: int = 160
    """Most tokens an episode may hold, prompt and tool results included."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if self.max_turn_tokens < 1 or self.max_rollout_tokens < 2:
            raise ValueError(
                f"max_turn_tokens must be at least 1 and max_rollout_tokens at least 2, got "
                f"{self.max_turn_tokens} and {self.max_rollout_tokens}"
            )


class Episode:
    """An episode from its start (a reset or a fork) to its `Rollout`.

    Args:
        key: unique name among the episodes under way; with `seed` it decides the noise.
        rollout_id: id of the rollout in its tree.
        env: an environment at the start of the episode, or brought there by `enter`; the episode's until its end.
        prefix: token ids of everything before the first generated token.
        head: policy tokens that already belong to the first turn's action (empty unless a branch starts inside one).
        origin: where a branch left its parent.
        keep_states: take a snapshot before each action, so that branches can fork from it.
        state: the snapshot that `env` was restored from, reused for the first turn.
    """

    def __init__(
        self,
        *,
        key: str,
        rollout_id: str,
        env: gymnasium.Env,
        prefix: np.ndarray,
        head: np.ndarray,
        origin: BranchPoint | None,
        seed: int,
        keep_states: bool,
        state: WrappedState | None = None,
    ) -> None:
        self.key, self.rollout_id, self.env, self.origin = key, rollout_id, env, origin
        self._token_ids, self._head, self._seed = prefix, head, seed
        self._keep_states, self._state = keep_states, state
        self._turns: list[Turn] = []
        self._version = -1
        self._info: MappingProxyType[str, object] = MappingProxyType({})
        self._error: str | None = None

    def enter(self, bring: Callable[[], object]) -> None:
        """Bring the environment to the start. If it breaks on the way, `request` gives the rollout that this makes."""
        try:
            bring()
        except EnvError as error:
            self._error = _described(error)

    def request(self, config: SamplingConfig, stop: tuple[str, ...], version: int) -> GenerationRequest | Rollout:
        """The next turn as a generation request; takes the snapshot that a branch of this turn forks from.

        Returns:
            The request; the finished rollout where there can be no turn: the environment broke before it, or the prompt
            leaves no room.
        """
        self._version = version
        room = config.max_rollout_tokens - len(self._token_ids)
        if self._error is not None:
            return self._finish(False, False)
        try:
            if self._keep_states and self._state is None:
                self._state = appo_envs.snapshot(self.env)
            if room < 1:
                return self._without_a_token()
        except EnvError as error:
            self._error = _described(error)
            return self._finish(False, False)
        return GenerationRequest(
            id=self.key,
            prompt_token_ids=self._token_ids,
            seed=derive_seed(self._seed, self.rollout_id, len(self._turns)),
            max_tokens=min(config.max_turn_tokens - len(self._head), room),
            temperature=config.temperature,
            stop=stop,
            version=version,
        )

    def advance(self, generation: Generation, tokenizer: Tokenizer, config: SamplingConfig) -> Rollout | None:
        """Send the generated turn to the environment. Returns the rollout once the episode is over."""
        action = generation.span
        self._version = generation.policy_version
        text_ids = np.concatenate([self._head, action.token_ids])
        if generation.stop_reason == "eos":
            text_ids = text_ids[:-1]
        state, self._state = self._state, None
        self._head = self._head[:0]
        text = tokenizer.decode(text_ids.tolist())
        action_text = CutText(text) if generation.stop_reason == "length" else text
        try:
            observation, reward, terminated, truncated, info = self.env.step(action_text)
            ids = observed_ids(tool_env(self.env), observation, tokenizer, after_eos=generation.stop_reason == "eos")
            observed = TokenSpan("env", np.array(ids, np.int64))
            self._token_ids = np.concatenate([self._token_ids, action.token_ids, observed.token_ids])
            calls = info["tool_calls"]
            if not (terminated or truncated) and len(self._token_ids) >= config.max_rollout_tokens:
                # No room to answer. An empty turn asks the environment for its verdict on an unanswered episode.
                _, last_reward, _, _, info = self.env.step(CutText(""))
                reward, truncated = float(reward) + float(last_reward), True
        except EnvError as error:
            self._turns.append(Turn(action, TokenSpan("env", np.empty(0, np.int64)), 0.0, state))
            self._error = _described(error)
            return self._finish(False, False)
        self._info = MappingProxyType(info)
        self._turns.append(Turn(action, observed, float(reward), state, calls))
        return self._finish(terminated, truncated) if terminated or truncated else None

    def _without_a_token(self) -> Rollout:
        """The rollout of a prompt that fills the episode: an empty turn with the verdict on an unanswered one."""
        _, reward, _, _, info = self.env.step(CutText(""))
        action = TokenSpan("policy", np.empty(0, np.int64), np.empty(0, np.float32))
        self._turns.append(Turn(action, TokenSpan("env", np.empty(0, np.int64)), float(reward), self._state))
        self._info = MappingProxyType(info)
        return self._finish(False, True)

    def _finish(self, terminated: bool, truncated: bool) -> Rollout:
        return Rollout(
            id=self.rollout_id,
            turns=tuple(self._turns),
            origin=self.origin,
            terminated=terminated,
            truncated=truncated,
            policy_version=self._version,
            error=self._error,
            info=self._info,
        )


def _described(error: EnvError) -> str:
    return f"{type(error).__name__}: {error}"


def observed_ids(env: ToolEnv, observation: str, tokenizer: Tokenizer, *, after_eos: bool) -> list[int]:
    """The environment's new tokens: its text as it is, or as messages of the model's chat format.

    Args:
        env: after the step that returned the observation.
        observation: what `step` returned.
        tokenizer: the policy's.
        after_eos: the policy ended its turn with the end-of-text token.
    """
    if env.inline_results or not observation:
        return tokenizer.encode(observation)
    messages = env.messages
    said = max(place for place, message in enumerate(messages) if message["role"] == "assistant")
    return tokenizer.answers(messages[said + 1 :], after_eos=after_eos)
