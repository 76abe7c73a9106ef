"""Which processes are killed after a fork that failed: by their place in the family tree, and no others."""

from __future__ import annotations

import os
import signal

import pytest

from appo_envs.tools.python.sandbox import orphans

HERE = os.getpid()
# 1 and 2 have the parent 0, as the first process of a container and what is started beside it do.
_PARENTS = {1: 0, 2: 0, HERE: 1, 50: HERE, 51: HERE, 52: HERE, 60: 51, 61: 51, 70: 1}


@pytest.mark.parametrize(
    ("parent", "killed"),
    [(51, [50, 60]), (0, [50])],
    ids=["a session's child and an orphan", "the session has ended, so its children are orphans"],
)
def test_strays_are_children_of_the_session_and_orphans(monkeypatch, parent, killed):
    sent = []
    monkeypatch.setattr(orphans, "_parents", lambda: dict(_PARENTS))
    monkeypatch.setattr(orphans.os, "kill", lambda pid, number: sent.append((pid, number)))
    orphans.kill_strays(parent, keep=[51, 61], spawned={52})
    assert sent == [(pid, signal.SIGKILL) for pid in killed]
