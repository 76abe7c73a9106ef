"""Groups to test with: made by hand, and random trees with turns."""

import torch
from hypothesis import strategies as st

from appo_agent.algorithms.group import Group, Turns


def group(rewards: list[float], parent: list[int], branch_at: list[int], lengths: list[int]) -> Group:
    return Group(torch.tensor(rewards), torch.tensor(parent), torch.tensor(branch_at), torch.tensor(lengths))


def independent(rewards: list[float], length: int = 2) -> Group:
    """Rollouts of equal length, none of which branches."""
    alone = [-1] * len(rewards)
    return group(rewards, alone, alone, [length] * len(rewards))


def with_turns(made: Group, starts: list[list[int]], states: list[list[int]], rewards: list[list[float]]) -> Group:
    """The group with its turns, one list a rollout; its rewards become the sums of theirs."""
    width = max(map(len, starts))

    def padded(rows: list, fill: float) -> torch.Tensor:
        return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

    turns = Turns(padded(starts, -1), padded(states, -1), padded(rewards, 0.0))
    return made._replace(rewards=turns.rewards.sum(1), turns=turns)


def with_paths(made: Group, paths: list[list[int]]) -> Group:
    """The group whose rollouts say these tokens, and whose environment says nothing."""
    width = max(map(len, paths))
    return made._replace(
        words=torch.tensor([[2 * word + 1 for word in path] + [-1] * (width - len(path)) for path in paths])
    )


def close(actual: torch.Tensor, expected: list[list[float]]) -> None:
    """Equal to four decimals."""
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=actual.dtype), atol=1e-4, rtol=0)


def some_rows(made: Group, rows: list[int]) -> Group:
    """The group of these rollouts alone; their parents must be among the first of them."""
    turns = made.turns
    return Group(
        made.rewards[rows],
        made.parent[rows],
        made.branch_at[rows],
        made.lengths[rows],
        None if turns is None else Turns(turns.starts[rows], turns.states[rows], turns.rewards[rows]),
        None if made.words is None else made.words[rows],
    )


@st.composite
def trees(draw: st.DrawFn) -> Group:
    """Random trees: up to three initial rollouts and four branches, of branches too."""
    initial = draw(st.integers(1, 3))
    parent, branch_at = [-1] * initial, [-1] * initial
    lengths = [draw(st.integers(1, 5)) for _ in range(initial)]
    for _ in range(draw(st.integers(0, 4))):
        up = draw(st.integers(0, len(parent) - 1))
        first = max(branch_at[up], 0)  # branch points lie in the parent's own tokens
        at = draw(st.integers(first, lengths[up] - 1))
        parent.append(up)
        branch_at.append(at)
        lengths.append(at + draw(st.integers(1, 4)))
    rewards = draw(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=len(parent), max_size=len(parent)))
    return group(rewards, parent, branch_at, lengths)


@st.composite
def trees_with_turns(draw: st.DrawFn) -> Group:
    """Random trees as `trees`, each path cut into turns that a branch shares with its parent; outcome rewards.

    States are drawn from two observations; turns that two paths share begin in the same state. Tokens are one of two,
    so that independent rollouts meet too.
    """
    made = draw(trees())
    starts: list[list[int]] = []
    states: list[list[int]] = []
    for row, length in enumerate(made.lengths.tolist()):
        parent, at = int(made.parent[row]), int(made.branch_at[row])
        shared = [] if parent < 0 else [start for start in starts[parent] if start <= at]
        after = max(at, 0)
        own = sorted(draw(st.sets(st.integers(after + 1, length - 1)))) if length - 1 > after else []
        starts.append((shared or [0]) + own)
        seen = [0] if parent < 0 else states[parent][: len(shared)]
        states.append(seen + [draw(st.integers(1, 2)) for _ in own])
    rewards = [[0.0] * (len(row) - 1) + [reward] for row, reward in zip(starts, made.rewards.tolist(), strict=True)]
    paths: list[list[int]] = []
    for length, parent, at in zip(made.lengths.tolist(), made.parent.tolist(), made.branch_at.tolist(), strict=True):
        inherited = [] if parent < 0 else paths[parent][:at]
        paths.append(inherited + [draw(st.integers(0, 1)) for _ in range(length - len(inherited))])
    return with_paths(with_turns(made, starts, states, rewards), paths)
