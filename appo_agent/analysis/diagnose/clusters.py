"""How different branches are: principal components of what they say, and clusters among them.

A branch is the counts of its tokens. DBSCAN's radius is the distance within which nine of ten branches have
their fourth nearest neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from appo_agent.errors import ConfigError
from appo_agent.extras import install_line
from appo_agent.types import RolloutTree

NEIGHBOURS = 4
MOST = 2000
"""Branches that are looked at, spread evenly over those that there are."""


class Cluster(NamedTuple):
    """A branch on the map.

    Attributes:
        x: first principal component.
        y: second.
        cluster: its number; -1 for a branch that belongs to none.
        reward: of the branch.
    """

    x: float
    y: float
    cluster: int
    reward: float


def branch_map(trees: Sequence[RolloutTree]) -> list[Cluster]:
    """Every branch of some trees on two axes, with its cluster; empty with fewer branches than clusters need.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import DBSCAN
        from sklearn.decomposition import PCA
        from sklearn.neighbors import NearestNeighbors
    except ModuleNotFoundError as error:
        raise ConfigError(f"the map of branches needs scikit-learn: `{install_line('analysis')}`") from error
    branches = [branch for tree in trees for branch in tree.branches]
    if len(branches) <= NEIGHBOURS:
        return []
    spread = np.unique(np.linspace(0, len(branches) - 1, min(MOST, len(branches))).astype(int))
    chosen = [branches[place] for place in spread]
    words = sorted({int(token) for branch in chosen for turn in branch.turns for token in turn.action.token_ids})
    columns = {word: column for column, word in enumerate(words)}
    counts = np.zeros((len(chosen), max(2, len(words))))
    for row, branch in enumerate(chosen):
        for turn in branch.turns:
            for token in turn.action.token_ids.tolist():
                counts[row, columns[token]] += 1
    if (counts == counts[0]).all():
        return [Cluster(0.0, 0.0, 0, branch.reward) for branch in chosen]
    places = PCA(n_components=2, random_state=0).fit_transform(counts)
    distances, _ = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(counts).kneighbors(counts)
    radius = float(np.quantile(distances[:, -1], 0.9)) or 1e-9
    clusters = DBSCAN(eps=radius, min_samples=NEIGHBOURS).fit_predict(counts)
    return [
        Cluster(float(x), float(y), int(cluster), branch.reward)
        for (x, y), cluster, branch in zip(places, clusters, chosen, strict=True)
    ]
