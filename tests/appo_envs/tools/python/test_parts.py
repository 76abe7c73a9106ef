"""Parts that are tested alone: paths shown inside, the memory group, copying trees, descriptors."""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.errors import SandboxError
from appo_envs.tools.python import Limits, PythonSession, PythonSettings
from appo_envs.tools.python.clones import CloneGuard
from appo_envs.tools.python.handles import DescribedProcess
from appo_envs.tools.python.memory import MemoryGroup, MemoryWatch
from appo_envs.tools.python.sandbox.descriptors import open_descriptors
from appo_envs.tools.python.sandbox.isolation import seccomp, syscalls
from appo_envs.tools.python.sandbox.isolation.private_tmp import PrivateTmp
from appo_envs.tools.python.sandbox.isolation.root import inside_path, shown_paths
from appo_envs.tools.python.sandbox.rehearsal import rehearse
from appo_envs.tools.python.sandbox.settings import decode_settings, encode_settings
from appo_envs.tools.python.sandbox.tree import TreeError, copy_tree

from .surroundings import need

_THREAD_FLAGS, _FORK_FLAGS = 0x3D0F00, 0x1200000 | signal.SIGCHLD


def test_paths_keep_their_place_unless_the_sandbox_needs_it():
    assert inside_path("/home/me/venv/site") == "/home/me/venv/site"
    assert inside_path("/tmp/venv/site") == "/outside/tmp/venv/site"
    assert inside_path("/tmpfs") == "/tmpfs"


def test_shown_paths_hold_no_path_twice_and_follow_links(tmp_path):
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    search = [str(tmp_path / "link"), str(tmp_path / "real" / "inner"), str(tmp_path / "missing")]
    mine = [path for path in shown_paths(search, sys.base_prefix) if path.startswith(str(tmp_path))]
    assert mine == [str(tmp_path / "real")]


@pytest.fixture(params=["/tmp", "/var/tmp"])
def closed_folder(request) -> Iterator[pathlib.Path]:
    """A folder in a place that only its owner may enter, as homes are."""
    with tempfile.TemporaryDirectory(dir=request.param) as home:
        folder = pathlib.Path(home) / "packages"
        folder.mkdir()
        yield folder


def test_packages_from_the_callers_folders_are_imported_but_not_written(closed_folder):
    need("mnt")
    for name, text in {"my_tools.py": "def double(x): return 2 * x", "late.py": "value = 'late'"}.items():
        (closed_folder / name).write_text(text)
        (closed_folder / name).chmod(0o666)
    # Neither the file's mode nor Landlock would forbid to write.
    settings = PythonSettings(preload=("my_tools",), paths=(str(closed_folder),), without=("landlock",))
    with PythonSession(settings) as session:
        assert session.run("import my_tools, late; my_tools.double(4), late.value").value == "(8, 'late')"
        assert "Read-only file system" in str(session.run("open(my_tools.__file__, 'a')").error)


def test_settings_survive_the_way_to_the_template():
    settings = PythonSettings(without=("net",), floor=(("mnt",),), paths=("/a",), limits=Limits(threads=3))
    assert decode_settings(encode_settings(settings)) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"isolation": "some"},
        {"timeout": 0},
        {"grace": -1.0},
        {"preload": ["numpy"]},
        {"paths": "/a"},
        {"total_memory_mb": 0},
    ],
)
def test_wrong_setting_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PythonSettings(**wrong)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
def test_wrong_limit_is_named(value):
    with pytest.raises(ValueError, match="Limits.threads"):
        Limits(threads=value)


def test_interpreter_that_cannot_be_executed_is_named(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with PythonSession(PythonSettings(preload=("abc",))) as session, pytest.raises(SandboxError, match="/no/such"):
        session.run("1")


def test_slow_template_is_given_up_with_advice(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(60)\n")
    settings = PythonSettings(preload=("slow_module",), paths=(str(tmp_path),), start_seconds=1.0)
    with PythonSession(settings) as session, pytest.raises(SandboxError, match="start_seconds"):
        session.run("1")


def test_folder_that_sessions_may_not_read_is_named(tmp_path):
    need("userns")
    if os.geteuid() != 0:
        pytest.skip("needs root, whose sessions run as another user")
    tmp_path.chmod(0o700)
    (tmp_path / "hidden_module.py").write_text("")
    settings = PythonSettings(preload=("hidden_module",), paths=(str(tmp_path),))
    with PythonSession(settings) as session, pytest.raises(SandboxError, match=f"may not read .*{tmp_path.name}"):
        session.run("1")


def test_memory_group_bounds_its_members_where_it_is_delegated(tmp_path):
    own = tmp_path / "user" / "session"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("\n")
    (own.parent / "cgroup.subtree_control").write_text("cpu memory pids\n")
    group = MemoryGroup(100, root=tmp_path, own="/user/session")
    (made,) = own.parent.glob("appo-python-*")
    assert (made / "memory.max").read_text() == str(100 << 20)
    group.add(4242)
    assert (made / "cgroup.procs").read_text() == "4242"


def test_memory_group_is_refused_without_the_controller(tmp_path):
    (tmp_path / "user").mkdir()
    with pytest.raises(OSError, match="delegated"):
        MemoryGroup(100, root=tmp_path, own="/user")


def test_memory_watch_spares_small_sessions():
    watch = MemoryWatch(10**6)
    myself = DescribedProcess(os.getpid())
    assert watch.look({os.getpid(): myself}) is None
    myself.close()


@pytest.mark.parametrize(
    ("thread", "flags", "answer"),
    [
        (7, _FORK_FLAGS, 0),
        (8, _FORK_FLAGS, errno.EPERM),
        (7, _FORK_FLAGS | 0x100, errno.EPERM),
        (7, _FORK_FLAGS | 0x8000, errno.EPERM),
        (7, _FORK_FLAGS & ~0xFF, errno.EPERM),
        (7, 0x4111, errno.EPERM),
        (7, _THREAD_FLAGS & ~0x400, errno.EPERM),
        (7, _THREAD_FLAGS | 0x8000, errno.EPERM),
        (-1, _THREAD_FLAGS, errno.EAGAIN),
    ],
)
def test_clone_is_allowed_to_one_thread_with_plain_flags(thread, flags, answer):
    guard = CloneGuard(100)
    with guard.permit(7, 1):
        assert guard.refusal(thread, flags) == answer
        if answer == 0:
            assert guard.refusal(thread, flags) == errno.EPERM, "a permit is for one fork"
    assert guard.refusal(7, _FORK_FLAGS) == errno.EPERM, "a permit ends"
    assert guard.refusal(os.getpid(), _THREAD_FLAGS) == 0
    guard.close()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_is_made_for_every_known_machine(machine, monkeypatch):
    monkeypatch.setattr(syscalls.platform, "machine", lambda: machine)
    found = syscalls.this_machine()
    assert found is not None
    program = seccomp.filter_program(found, supervised=True, may_leave_mounts=True)
    assert len(program) % 8 == 0 and 100 < len(program) // 8 < 4096
    named = set(seccomp._ALLOWED) & found.numbers.keys()
    assert len({found.numbers[name] for name in named}) == len(named)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=100), max_size=6))
def test_tree_is_copied_as_it_is(files):
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for name, content in files.items():
            (pathlib.Path(first) / name).write_bytes(content)
        source, target = (os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in (first, second))
        copy_tree(source, target, 10)
        os.close(source), os.close(target)
        assert {path.name: path.read_bytes() for path in pathlib.Path(second).iterdir()} == files


def test_copy_follows_no_link_and_leaves_special_files_out(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    (first / "link").symlink_to("/etc")
    os.mkfifo(first / "fifo")
    with open(first / "sparse", "wb") as file:
        file.seek(1 << 30)
        file.write(b"x")
    source, target = (os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in (first, second))
    copy_tree(source, target, 10)
    assert os.readlink(second / "link") == "/etc"
    assert not (second / "fifo").exists()
    assert (second / "sparse").stat().st_size == (1 << 30) + 1 and (second / "sparse").stat().st_blocks < 100
    with pytest.raises(TreeError, match="more files"):
        copy_tree(source, target, 0)
    os.close(source), os.close(target)


def test_open_descriptors_are_found_without_proc():
    with open(os.devnull) as file:
        listed = {int(name) for name in os.listdir("/proc/self/fd")}
        found = set(open_descriptors(1024))
        assert file.fileno() in found
        assert found <= listed and all(number < 4 or number > 1023 or number in found for number in found)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_rehearsed_fork_leaves_the_process_where_it_was():
    def place() -> tuple[object, ...]:
        names = sorted(os.listdir("/proc/self/fd"))
        opened = [os.readlink(f"/proc/self/fd/{name}") for name in names if os.path.exists(f"/proc/self/fd/{name}")]
        return opened, os.getcwd(), os.readlink("/proc/self/ns/mnt")

    before = place()
    rehearse(PrivateTmp(Limits(), leaves=0))
    assert place() == before


_GATHER = """
import sys
from appo_envs.tools.python.sandbox.huge_pages import gather_memory
big = [bytes([n % 256]) * 1000 for n in range(16_000)]
total = sum(map(hash, big))
gather_memory()
assert total == sum(map(hash, big))
if sys.platform == "linux":
    print(next(line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages")))
"""


def test_memory_is_gathered_in_huge_pages_and_keeps_its_content():
    done = subprocess.run([sys.executable, "-c", _GATHER], capture_output=True, text=True, check=True)
    if not done.stdout or not os.path.exists("/sys/kernel/mm/transparent_hugepage"):
        pytest.skip("needs huge pages")
    assert int(done.stdout) >= 4096 or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1)
