"""Hostile code that tries to get out, read, write, signal or gain rights; the outside is looked at afterwards."""

from __future__ import annotations

import os
import platform
import textwrap

import pytest

from appo_envs.tools.python import PythonSession

from .surroundings import SMALL, need, witnessed

# System-call numbers of x86-64 and aarch64.
_COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
_NUMBERS = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "chroot": (161, 51),
    "setns": (308, 268),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setresuid": (117, 147),
    "capset": (126, 91),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "memfd_create": (319, 279),
    "socket": (41, 198),
    "execve": (59, 221),
    "execveat": (322, 281),
    "mknodat": (259, 33),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "kcmp": (312, 272),
    "personality": (135, 92),
    "syslog": (103, 116),
    "shmget": (29, 194),
    "mq_open": (180, 180),
    "sched_setaffinity": (203, 122),
    "setpriority": (141, 140),
    "init_module": (175, 105),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "sethostname": (170, 161),
    "quotactl": (179, 60),
    "seccomp": (317, 277),
    "setrlimit": (160, 164),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "chown": (92, 54),
    "setxattr": (188, 5),
    "splice": (275, 76),
    "name_to_handle_at": (303, 264),
}

_PRELUDE = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), 'system call')
    return result
"""


def run_hostile(session: PythonSession, code: str) -> str:
    """Run an attempt; say how it ended: 'DONE', 'refused', or why the process is gone."""
    attempt = textwrap.indent(textwrap.dedent(code), "    ")
    program = f"{_PRELUDE}\ntry:\n{attempt}\nexcept Exception as error:\n    print('refused', repr(error))\n"
    result = session.run(program + "else:\n    print('DONE')")
    return result.stdout.strip() or str(result.error)


_ATTEMPTS = {
    "start a program": "os.execv('/usr/bin/id', ['id'])",
    "start a program through a shell": "assert os.system('id') != 0; raise OSError('it did not start')",
    "start a program by posix_spawn": "os.posix_spawn('/usr/bin/id', ['id'], {})",
    "start a program by subprocess": "import subprocess; subprocess.run(['/usr/bin/id'])",
    "read a file outside": "open('{secret}').read()",
    "write a file outside": "open('{secret}', 'w').write('overwritten')",
    "make a file beside it": "open('{folder}/new', 'w').write('new')",
    "remove a file outside": "os.unlink('{secret}')",
    "list a home": "os.listdir('/root'); os.listdir('/home')",
    "read the users": "assert 'root' in open('/etc/passwd').read(), 'only the agent is in there'",
    "read the shadow file": "open('/etc/shadow').read()",
    "read the parent's environment": "open('/proc/1/environ').read()",
    "read its own environment's file": "open('/proc/self/environ').read()",
    "list processes": "assert os.listdir('/proc'), 'empty'",
    "read kernel settings": "open('/sys/kernel/notes', 'rb').read()",
    "write into the interpreter": "open(os.__file__, 'a').write('# hacked')",
    "write below /usr": "open('/usr/lib/hacked', 'w')",
    "write into the root": "open('/hacked', 'w')",
    "write above its /tmp": "open('/session/hacked', 'w').write('x')",
    "make the root writable": "call(165, b'none', b'/', None, 32 | 4096, None)",
    "read a file outside through a link": "os.symlink('{secret}', '/tmp/link'); open('/tmp/link').read()",
    "link a file outside": "os.link('/usr/bin/id', '/tmp/id')",
    "make a fifo": "os.mkfifo('/tmp/fifo')",
    "make a device": "os.mknod('/tmp/device', 0o600 | 0o020000, os.makedev(1, 3))",
    "leave by dots": "open('../../../../{secret}').read()",
    "signal the template": "os.kill(1, 9)",
    "signal everybody": "os.kill(-1, 9)",
    "signal the group": "os.killpg(0, 9)",
    "have the kernel signal others": "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, 1)",
    "choose which signal the kernel sends": "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, 10, 9)",
    "connect to a local port": "socket.create_connection(('127.0.0.1', {port}), 1)",
    "send a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "open an IPv6 socket": "socket.socket(socket.AF_INET6)",
    "open a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "open a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "open a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "open a vsock": "socket.socket(socket.AF_VSOCK)",
    "open a crypto socket": "socket.socket(socket.AF_ALG)",
    "open a local socket": "socket.socket(socket.AF_UNIX)",
    "open a socket of any family": (
        "for family in range(64):\n"
        "    for kind in range(1, 6):\n"
        "        try: socket.socket(family, kind)\n"
        "        except PermissionError: continue\n"
        "        break\n"
        "    else: continue\n"
        "    break\n"
        "else: raise OSError('there is none')"
    ),
    "reach an abstract socket": (
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', '\\0{abstract}')"
    ),
    "make a pair of datagram sockets": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "raise the memory limit": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "raise the file limit": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))",
    "leave the user namespace": "call({unshare}, 0x10000000)",
    "leave the process namespace": "call({unshare}, 0x20000000)",
    "leave the network namespace": "call({unshare}, 0x40000000)",
    "become untouchable": "assert libc.prctl(4, 0) == 0, 'prctl'",
    "lift the filter": "assert libc.prctl(22, 0, 0) == 0, 'prctl'",
    "keep capabilities": "assert libc.prctl(8, 1) == 0, 'prctl'",
    "share memory with forks": "import mmap; mmap.mmap(-1, 4096)",
    "share a file's memory with forks": (
        "import mmap; f = open('/tmp/m', 'w+b'); f.write(b'x' * 4096); f.flush(); mmap.mmap(f.fileno(), 4096)"
    ),
    "use an inherited descriptor": (
        "for n in range(4, 256):\n"
        "    try: os.fstat(n)\n"
        "    except OSError: continue\n"
        "    break\n"
        "else: raise OSError('there is none')"
    ),
    "read what the standard input had": "assert os.read(0, 1), 'nothing'",
    "type into a terminal": "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
    "see the trainer's environment": "assert set(os.environ) - {environment}, 'nothing of it'",
    "import from the trainer's checkout": "import appo_envs.registration",
}
_ENVIRONMENT = {
    "PATH", "HOME", "LANG", "LC_CTYPE", "PYTHONHASHSEED", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS", "MALLOC_ARENA_MAX",
}  # fmt: skip


@pytest.mark.parametrize("attempt", _ATTEMPTS)
def test_attempt_is_refused_and_nothing_outside_changes(attempt, tmp_path, monkeypatch):
    need("private_tmp", "pid", "net", "seccomp", "notify")
    monkeypatch.setenv("SECRET_TOKEN", "for the trainer only")
    with witnessed(SMALL, tmp_path) as witness, PythonSession(SMALL) as session:
        code = _ATTEMPTS[attempt]
        for name, value in {
            "secret": witness.secret,
            "folder": witness.folder,
            "port": witness.port,
            "abstract": witness.abstract_name,
            "unshare": 272 if _COLUMN == 0 else 97,
            "environment": _ENVIRONMENT,
        }.items():
            code = code.replace("{" + name + "}", str(value))
        outcome = run_hostile(session, code)
        assert outcome.startswith("refused"), outcome
        assert session.run("1 + 1").value == "2"


@pytest.mark.skipif(_COLUMN is None, reason="needs a machine with a system-call table")
def test_no_dangerous_system_call_is_allowed():
    need("seccomp")
    with PythonSession(SMALL) as session:
        for name, numbers in _NUMBERS.items():
            outcome = run_hostile(session, f"call({numbers[_COLUMN or 0]}, 0, 0, 0, 0, 0, 0)")
            assert "PermissionError(1" in outcome, f"{name}: {outcome}"


@pytest.mark.skipif(_COLUMN != 0, reason="needs x86-64")
@pytest.mark.parametrize("entry", ["x32 table", "32-bit table"])
def test_second_system_call_tables_kill_the_process(entry, tmp_path):
    need("seccomp", "private_tmp")
    by_interrupt = """
        import mmap
        code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
        code.write(b'\\x53\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\x5b\\xc3')
        ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    """
    with witnessed(SMALL, tmp_path), PythonSession(SMALL) as session:
        outcome = run_hostile(session, "call(0x40000000 + 39)" if entry == "x32 table" else by_interrupt)
        assert "process is gone" in outcome


def test_calls_newer_than_the_tables_look_unimplemented():
    need("seccomp")
    with PythonSession(SMALL) as session:
        assert "38" in run_hostile(session, "call(460, 0, 0, 0)")


def test_session_is_nobody_with_one_harmless_capability():
    need("userns", "private_tmp", "seccomp")
    with PythonSession(SMALL) as session:
        session.run("import os")
        assert session.run("os.getresuid() + os.getresgid()").value == "(1000, 1000, 1000, 1000, 1000, 1000)"
        pid = session.process_id
        assert pid is not None
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 21


def test_session_shares_no_namespace_with_the_trainer_and_its_mounts_with_nobody():
    need("private_tmp", "pid", "net")
    with PythonSession(SMALL) as session, PythonSession(SMALL) as sibling:
        session.run("1")
        sibling.run("1")
        (fork,) = session.fork()
        kinds = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
        trainer = {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}
        sessions = [
            {kind: os.readlink(f"/proc/{each.process_id}/ns/{kind}") for kind in kinds}
            for each in (session, sibling, fork)
        ]
        assert not any(trainer & set(links.values()) for links in sessions)
        assert len({links["mnt"] for links in sessions}) == 3
        fork.close()
