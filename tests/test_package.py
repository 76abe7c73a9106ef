"""What is shipped: the wheel holds what the code reads, and runs where nothing else is installed."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"appo_envs": ROOT, "appo_agent": ROOT, "appo_benchmarks": ROOT / "benchmarks"}

STEP = """
import importlib.util
import gymnasium
import appo_envs

assert importlib.util.find_spec("torch") is None and importlib.util.find_spec("tyro") is None
env = gymnasium.make("appo/KnowledgeQA-v0", hops=1)
env.reset(seed=0)
(branch,) = appo_envs.fork(env, 1)
assert branch.step("<search> anything </search>")[0].startswith("<result>")
env = gymnasium.make("appo/MathPython-v0")
env.reset(seed=0)
print(env.step("<python> 6 * 7 </python>")[0])
env.close()
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files under version control: what lies around must not be shipped."""
    folder = tmp_path_factory.mktemp("sources")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no git repository here")
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def sdist(sources: Path) -> Path:
    """The source distribution."""
    return _build("build_sdist", sources)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the source distribution, as installers do."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return _build("build_wheel", unpacked)


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path, sources: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = {
        f"{package}/{path.relative_to(sources / root.relative_to(ROOT) / package)}"
        for package, root in PACKAGES.items()
        for path in (sources / root.relative_to(ROOT) / package).rglob("*")
        if path.is_file()
    }
    assert shipped == tracked
    assert {"appo_agent/presets/paper.toml", "appo_agent/report/page/index.html", "appo_envs/py.typed"} <= shipped


@pytest.mark.slow
def test_the_wheel_runs_in_a_fresh_environment_without_the_extras(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pins = ROOT / "constraints.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", pins, wheel], check=True)
    ran = subprocess.run([python, "-c", STEP], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "<result> 42 </result>\n"
    refused = subprocess.run(
        [tmp_path / "venv" / "bin" / "appo", "train"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("appo: tyro is not installed") and "[agent]" in refused.stderr


def _build(what: str, folder: Path) -> Path:
    out = folder / "out"
    out.mkdir()
    program = f"import sys; from setuptools import build_meta; print(build_meta.{what}(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", program, out], cwd=folder, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return out / built.stdout.splitlines()[-1]
