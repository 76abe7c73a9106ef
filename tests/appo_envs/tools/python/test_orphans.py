"""Which processes are found after a fork that failed: by their place in the family tree; which of them are killed."""

from __future__ import annotations

import os
import signal

import pytest

from appo_envs.tools.python.sandbox import orphans

HERE = os.getpid()
# 1 and 2 have the parent 0, as the first process of a container and what is started beside it do.
_PARENTS = {1: 0, 2: 0, HERE: 1, 50: HERE, 51: HERE, 52: HERE, 60: 51, 61: 51, 70: 1}


@pytest.mark.parametrize(
    ("parent", "found", "killed"),
    [(51, [50, 51, 60, 61], [50, 60]), (0, [50, 51], [50])],
    ids=["a session's children and orphans", "the session has ended, so its children are orphans"],
)
def test_children_of_the_session_and_orphans_are_found_and_the_condemned_killed(monkeypatch, parent, found, killed):
    sent = []
    monkeypatch.setattr(orphans, "_parents", lambda: dict(_PARENTS))
    monkeypatch.setattr(orphans.os, "kill", lambda pid, number: sent.append((pid, number)))
    spawned = {52, 99}
    assert orphans.sweep(parent, [50, 60, 70], spawned) == found
    assert sent == [(pid, signal.SIGKILL) for pid in killed]
    assert spawned == {52}


def test_ended_processes_are_forgotten(monkeypatch):
    monkeypatch.setattr(orphans, "_parents", lambda: dict(_PARENTS))
    spawned = {50, 52, 98, 99}
    orphans.forget_ended(spawned)
    assert spawned == {50, 52}
