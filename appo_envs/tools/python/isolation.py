"""Which isolation sessions get on this machine, and whether it is enough.

Owns the report, the floor and the trial of the memory group. Single features are tried in `sandbox.isolation`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import IsolationError
from .memory import MemoryGroup, default_cap_mb
from .sandbox.isolation import features
from .sandbox.isolation.features import FeatureReport, missing_from_floor
from .sandbox.settings import LINUX, PythonSettings
from .system import absent_features, system_for
from .template_process import TemplateProcess


def isolation_report(settings: PythonSettings | None = None) -> tuple[FeatureReport, ...]:
    """What isolation this machine gives to Python sessions, feature by feature.

    Args:
        settings: whose switched-off features and paths to respect; None for the default.

    Raises:
        SandboxError: the trial itself could not be run.
    """
    settings = PythonSettings() if settings is None else settings
    if settings.system != LINUX:
        return absent_features()
    template = TemplateProcess(settings, system_for(settings))
    try:
        reports = template.probe()
    finally:
        template.hang_up()
        template.wait()
    group, report = memory_group(settings)
    if group is not None:
        group.close()
    return (*reports, report)


def check_floor(settings: PythonSettings, reports: Sequence[FeatureReport]) -> None:
    """Refuse to go on with less isolation than the settings insist on.

    Raises:
        IsolationError: naming what is missing and why.
    """
    missing = missing_from_floor(settings.floor, reports)
    if missing:
        parts = "; ".join(f"{' or '.join(part.any_of)} ({', '.join(part.reasons)})" for part in missing)
        raise IsolationError(
            f"model-written code is not run here, because this machine does not offer {parts}. "
            "Enable it, lower PythonSettings.floor, or choose isolation='none' for code that you trust."
        )


def memory_group(settings: PythonSettings) -> tuple[MemoryGroup | None, FeatureReport]:
    """A memory-bounded group for all sessions if one can be had, and the report on that feature."""
    name = features.CGROUP
    if name in settings.without:
        return None, FeatureReport(name, False, "switched off in the settings")
    try:
        group = MemoryGroup(settings.total_memory_mb or default_cap_mb())
    except OSError as error:
        return None, FeatureReport(name, False, f"{error}; the trainer watches the memory of sessions itself")
    return group, FeatureReport(name, True, features.MEANING[name])
