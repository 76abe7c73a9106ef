"""What this machine has and lacks: a registry of checks that every part may add to.

Owns the registry and the checks of packages and of the machine. `appo doctor` prints the results.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from appo_agent.errors import ConfigError

Status = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: what was looked at.
        status: "ok"; "missing" when a part that can be done without is not there; "broken" when something is
            there and does not work.
        detail: what was found.
        advice: what to do; "" when nothing needs doing.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""


Check = Callable[[], Iterable[CheckResult]]
CHECKS: dict[str, Check] = {}
"""Every check by name, in the order in which they are run."""


def check(name: str) -> Callable[[Check], Check]:
    """Register a check: a function without arguments that yields its results.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: Check) -> Check:
        if name in CHECKS:
            raise ValueError(f"there is already a check named {name!r}")
        CHECKS[name] = function
        return function

    return register


def run_checks() -> Iterator[CheckResult]:
    """The results of all checks, as they come."""
    for function in CHECKS.values():
        yield from function()


@check("python")
def _python() -> Iterator[CheckResult]:
    found = ".".join(map(str, sys.version_info[:3]))
    yield CheckResult("python", "ok", f"{found} at {sys.executable}")


@check("packages")
def _packages() -> Iterator[CheckResult]:
    yield _package("gymnasium", "pip install -U appo-gym")
    for name in ("torch", "transformers", "tensorboard"):
        yield _package(name, "pip install -U 'appo-gym[agent]'")


@check("optional packages")
def _optional_packages() -> Iterator[CheckResult]:
    # Found but not imported: some take seconds.
    for name, extra in (("peft", "lora"), ("datasets", "hub"), ("mcp", "mcp"), ("ddgs", "web"), ("starlette", "serve")):
        if find_spec(name) is None:
            yield CheckResult(name, "missing", "optional, not installed", f"pip install 'appo-gym[{extra}]'")
        else:
            yield CheckResult(name, "ok", version(name))


@check("samplers")
def _samplers() -> Iterator[CheckResult]:
    from appo_agent.policies.vllm.install import installed_version, require_vllm

    if find_spec("transformers") is not None:
        yield CheckResult("sampler transformers", "ok", "shares the learner's model; the reference, and the slowest")
    for name in ("vllm", "vllm_server"):
        try:
            require_vllm()
        except ConfigError as error:
            status: Status = "missing" if installed_version() is None else "broken"
            yield CheckResult(f"sampler {name}", status, str(error))
        else:
            yield CheckResult(f"sampler {name}", "ok", f"vLLM {installed_version()}")


@check("accelerator")
def _accelerator() -> Iterator[CheckResult]:
    try:
        import torch
    except (ImportError, OSError):
        return  # The package check has said so.
    if torch.cuda.is_available():
        yield CheckResult("accelerator", "ok", torch.cuda.get_device_name())
    else:
        yield CheckResult("accelerator", "missing", "no GPU; the bundled policy does not need one")


@check("cores")
def _cores() -> Iterator[CheckResult]:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    yield CheckResult("cores", "ok", f"{usable} usable")


@check("memory")
def _memory() -> Iterator[CheckResult]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _memory_limit(Path("/sys/fs/cgroup/memory.max"))
    usable = total if limit is None else min(total, limit)
    yield CheckResult("memory", "ok", f"{usable / 2**30:.1f} GiB")


@check("python session")
def _python_session() -> Iterator[CheckResult]:
    try:
        from appo_envs.errors import SandboxError
        from appo_envs.tools.python import IsolationError, PythonSettings, check_floor, isolation_report
    except ImportError as error:
        # Sessions are built on what every POSIX system has, and Windows lacks.
        yield CheckResult("python session", "missing", f"does not import here: {error}")
        return
    try:
        reports = isolation_report()
    except SandboxError as error:
        yield CheckResult("python session", "broken", str(error))
        return
    for report in reports:
        status: Status = "ok" if report.active else "missing"
        yield CheckResult(f"isolation: {report.feature}", status, report.reason)
    settings = PythonSettings()
    floor = " and ".join(f"({' or '.join(part)})" for part in settings.floor)
    try:
        check_floor(settings, reports)
    except IsolationError as error:
        yield CheckResult("model-written code", "broken", f"refused, for it takes {floor}: {error}")
    else:
        yield CheckResult("model-written code", "ok", f"run; without {floor} it would be refused")


def _package(name: str, advice: str) -> CheckResult:
    """Whether a package of ours is there, imports, and is new enough."""
    if find_spec(name) is None:
        return CheckResult(name, "missing", "not installed", advice)
    try:
        importlib.import_module(name)
        found = version(name)
    except (ImportError, OSError, PackageNotFoundError) as error:
        return CheckResult(name, "broken", f"does not import: {error}", advice)
    minimum = _minimum(name)
    if _numbers(found) < _numbers(minimum):
        return CheckResult(name, "broken", f"{found}, older than {minimum}", advice)
    return CheckResult(name, "ok", found)


def _minimum(name: str) -> str:
    """The lowest version that our own metadata asks for."""
    for requirement in requires("appo-gym") or []:
        match = re.match(rf"{re.escape(name)}>=([\d.]+)", requirement)
        if match:
            return match.group(1)
    return "0"


def _numbers(text: str) -> tuple[int, ...]:
    """A version's numbers, without its build: "2.13.0+cpu" is (2, 13, 0)."""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("+")[0]))


def _memory_limit(path: Path) -> int | None:
    """The control group's limit in bytes, None where there is none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
