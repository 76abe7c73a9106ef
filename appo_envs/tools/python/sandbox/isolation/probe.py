"""Trying out which isolation features work on this machine.

Owns the trials. Each runs in a child of its own that ends right after, so nothing that it leaves or installs
stays. A feature that is switched off, or lacks one that it needs, is not tried.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from ..descriptors import null_standard_streams
from ..settings import Limits
from ..wire import Furnish
from . import features, namespaces, private_tmp, seccomp
from .capabilities import forbid_new_privileges
from .features import CGROUP, FeatureReport
from .landlock import restrict_files
from .root import DEVICES, enter_root

_MOST_REASON_BYTES = 2000


def probe_features(without: Sequence[str], shown: Sequence[str]) -> list[FeatureReport]:
    """Try all features but "cgroup", which is the trainer's to try.

    Args:
        without: features that shall not be used.
        shown: what the file system of sessions shall hold, from `root.shown_paths`.
    """
    reports: dict[str, FeatureReport] = {}
    for name in features.MEANING:
        if name != CGROUP:
            reports[name] = _probe(name, without, shown, reports)
    if not reports[features.PRIVATE_TMP].active and reports[features.MNT].active:
        reports[features.MNT] = FeatureReport(features.MNT, False, "of no use without private_tmp")
    return list(reports.values())


def _probe(name: str, without: Sequence[str], shown: Sequence[str], known: dict[str, FeatureReport]) -> FeatureReport:
    if name in without:
        return FeatureReport(name, False, "switched off in the settings")
    for needed in features.NEEDS.get(name, ()):
        if not known[needed].active:
            return FeatureReport(name, False, f"needs {needed}")
    reason = _try_in_child(lambda: _TRIALS[name](shown))
    return FeatureReport(name, reason is None, features.MEANING[name] if reason is None else reason)


def _try_in_child(trial: Callable[[], object]) -> str | None:
    """Run a trial in a fork; None if it went well, the reason if not."""
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        return f"no process can be made to try it: {error.strerror}"
    if child == 0:
        reason = ""
        try:
            trial()
        except (OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
        finally:
            os.write(writer, reason.encode()[:_MOST_REASON_BYTES])
            os._exit(1 if reason or sys.exc_info()[0] else 0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        reason = pipe.read().decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    if status == 0:
        return None
    return reason or f"the trial ended with status {status}"


def _try_userns(_shown: Sequence[str]) -> None:
    namespaces.become_nobody()
    namespaces.leave_inner(frozenset())


def _try_leaving(feature: str) -> Callable[[Sequence[str]], None]:
    def trial(_shown: Sequence[str]) -> None:
        namespaces.leave_outer(frozenset({feature}))

    return trial


def _try_mnt(shown: Sequence[str]) -> None:
    namespaces.leave_outer(frozenset({features.MNT}))
    enter_root(shown)
    namespaces.give_up_root(frozenset({features.MNT}))


def _try_private_tmp(shown: Sequence[str]) -> None:
    _try_mnt(shown)
    limits = Limits()
    own_mounts = private_tmp.open_own_mounts()
    ready, set_ready = os.pipe()
    finished, finish = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(finish)
        null_standard_streams()
        namespaces.leave_inner(frozenset({features.MNT}))
        private_tmp.PrivateTmp(limits).enter()
        os.write(set_ready, b"1")
        os.read(finished, 1)
        os._exit(0)
    os.close(set_ready)
    if not os.read(ready, 1):
        raise OSError("a session cannot have a /tmp of its own")
    private_tmp.furnish_fork(os.pidfd_open(child), limits, own_mounts, Furnish(0, 1))


def _try_landlock(_shown: Sequence[str]) -> None:
    forbid_new_privileges()
    restrict_files(("/usr",), ("/tmp",), DEVICES)


def _try_filter(supervised: bool) -> Callable[[Sequence[str]], None]:
    def trial(_shown: Sequence[str]) -> None:
        forbid_new_privileges()
        code = seccomp.filter_here(supervised=supervised, may_leave_mounts=True)
        seccomp.install_filter(code, supervised=supervised)

    return trial


_TRIALS: dict[str, Callable[[Sequence[str]], None]] = {
    features.USERNS: _try_userns,
    features.MNT: _try_mnt,
    features.PID: _try_leaving(features.PID),
    features.NET: _try_leaving(features.NET),
    features.PRIVATE_TMP: _try_private_tmp,
    features.LANDLOCK: _try_landlock,
    features.SECCOMP: _try_filter(False),
    features.NOTIFY: _try_filter(True),
}
