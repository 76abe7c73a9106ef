"""The system-call filter of a session.

Owns the list of allowed calls and the program that checks it. Every call that is not named here fails with
EPERM, so that hostile code gets an exception and honest code a message. Making processes and threads is not
decided here: the kernel asks the trainer (see `clones` there), if the filter was installed with a listener.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from . import kernel
from .syscalls import FIRST_UNKNOWN, Machine, this_machine

_FILES = """
    access chdir chmod close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fallocate fchdir fchmod fchmodat fdatasync fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64
    link linkat lseek lstat mkdir mkdirat newfstatat open openat pread64 preadv pwrite64 pwritev read readlink
    readlinkat readv rename renameat renameat2 rmdir sendfile stat statfs statx symlink symlinkat truncate
    umask unlink unlinkat utime utimensat utimes write writev
"""
_MEMORY = "brk madvise mprotect mremap msync munmap"
_TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
    timerfd_create timerfd_gettime timerfd_settime times
"""
_WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 pause pipe pipe2
    poll ppoll pselect6 select
"""
# No call here sends a signal, not even to oneself: an id may belong to somebody else.
_SIGNALS = """
    restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait
    sigaltstack
"""
_THREADS = """
    exit exit_group futex membarrier rseq sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getparam sched_getscheduler sched_yield set_robust_list set_tid_address wait4 waitid
"""
_IDENTITY = """
    getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getrandom getresgid getresuid
    getrusage getsid gettid getuid sysinfo uname
"""
# Sockets come from the trainer or in connected pairs, so none of these can reach anybody else.
_CHANNEL = "getpeername getsockname getsockopt recvfrom recvmsg sendmsg shutdown"
_ALLOWED = " ".join((_FILES, _MEMORY, _TIME, _WAITING, _SIGNALS, _THREADS, _IDENTITY, _CHANNEL)).split()

# Locks, duplicates and flags; not F_SETOWN and F_SETSIG, which have the kernel send any signal to anybody.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)
_PRCTL_SET_NAME, _PRCTL_GET_NAME = 15, 16
# TCGETS and TIOCGWINSZ (asked by isatty), FIONREAD, FIONBIO, FIOCLEX, FIONCLEX.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_AF_UNIX = 1
# Connected pairs of streams only: a datagram socket can be made to send elsewhere.
_SOCKET_PAIRS = tuple(1 | flags for flags in (0, 0x800, 0x80000, 0x80800))
_MAP_SHARED = 1
_CLONE_NEW_ANY = 0x7E020000

_RET_KILL_PROCESS = 0x80000000
_RET_ERRNO = 0x00050000
_RET_ASK = 0x7FC00000
_RET_ALLOW = 0x7FFF0000

_SET_MODE_FILTER = 1
_NEW_LISTENER = 8
_WAIT_KILLABLE = 32
_GET_ACTION_AVAIL = 2

_INSTRUCTION = struct.Struct("HBBI")
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_OFFSET, _AUDIT_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16


class _Program:
    """A filter in the making. Every rule begins with the call's number loaded, and returns if it applies."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._code: list[bytes] = []
        self._step(_LOAD, _AUDIT_OFFSET)
        self._step(_IF_EQUAL, machine.audit, then=1)
        self._step(_RETURN, _RET_KILL_PROCESS)
        self._step(_LOAD, _NUMBER_OFFSET)
        if machine.foreign_bit:
            self._step(_IF_ANY_BIT, machine.foreign_bit, otherwise=1)
            self._step(_RETURN, _RET_KILL_PROCESS)

    def _step(self, code: int, operand: int, then: int = 0, otherwise: int = 0) -> None:
        self._code.append(_INSTRUCTION.pack(code, then, otherwise, operand))

    def _rule(self, name: str, *steps: tuple[int, int, int, int]) -> None:
        """Add steps for one call; calls that this machine does not have are left out."""
        number = self._machine.numbers.get(name)
        if number is not None:
            self._step(_IF_EQUAL, number, otherwise=len(steps))
            for code, operand, then, otherwise in steps:
                self._step(code, operand, then, otherwise)

    def answer(self, name: str, action: int) -> None:
        """The call always gets this answer."""
        self._rule(name, (_RETURN, action, 0, 0))

    def allow_values(self, name: str, argument: int, values: tuple[int, ...], refusal: int) -> None:
        """The call is allowed if an argument, of which the kernel reads 32 bits, is one of these values."""
        tests = [(_IF_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
        self._rule(name, _load(argument), *tests, (_RETURN, _RET_ERRNO | refusal, 0, 0), _ALLOW)

    def allow_null(self, name: str, argument: int, before: tuple[tuple[int, int], ...] = ()) -> None:
        """The call is allowed if a pointer is null, and the arguments `before` have these values."""
        checks = [(index, value, 0) for index, value in before]
        checks += [(argument, 0, 0), (argument, 0, 4)]
        steps: list[tuple[int, int, int, int]] = []
        for position, (index, value, half) in enumerate(checks):
            to_refusal = 2 * (len(checks) - position - 1) + 1
            steps += [_load(index, half), (_IF_EQUAL, value, 0, to_refusal)]
        self._rule(name, *steps, _ALLOW, _REFUSE)

    def refuse_bits(self, name: str, argument: int, bits: int, action: int) -> None:
        """The call is refused if the argument has any of the bits; otherwise it gets `action`."""
        self._rule(name, _load(argument), (_IF_ANY_BIT, bits, 0, 1), _REFUSE, (_RETURN, action, 0, 0))

    def allow_stream_pairs(self) -> None:
        """Allow socketpair for local streams."""
        tests = [(_IF_EQUAL, kind, len(_SOCKET_PAIRS) - n, 0) for n, kind in enumerate(_SOCKET_PAIRS)]
        domain = (_load(0), (_IF_EQUAL, _AF_UNIX, 0, len(tests) + 1))
        self._rule("socketpair", *domain, _load(1), *tests, _REFUSE, _ALLOW)

    def finish(self) -> bytes:
        """End with the answer for every call without a rule."""
        # Calls that are newer than the tables look like those of an older kernel, for which libraries are
        # ready.
        self._step(_IF_AT_LEAST, FIRST_UNKNOWN, otherwise=1)
        self._step(_RETURN, _RET_ERRNO | errno.ENOSYS)
        self._step(_RETURN, _RET_ERRNO | errno.EPERM)
        return b"".join(self._code)


_ALLOW = (_RETURN, _RET_ALLOW, 0, 0)
_REFUSE = (_RETURN, _RET_ERRNO | errno.EPERM, 0, 0)


def _load(argument: int, half: int = 0) -> tuple[int, int, int, int]:
    """Load the low half of an argument, or the high one with half=4; both machines are little-endian."""
    return (_LOAD, _ARGUMENTS_OFFSET + 8 * argument + half, 0, 0)


def filter_here(*, supervised: bool, may_leave_mounts: bool) -> bytes:
    """The filter for the machine that this runs on; see `filter_program`.

    Raises:
        OSError: there is no system-call table for it.
    """
    machine = this_machine()
    if machine is None:
        raise OSError(f"no system-call table for this machine ({os.uname().machine})")
    return filter_program(machine, supervised=supervised, may_leave_mounts=may_leave_mounts)


def filter_program(machine: Machine, *, supervised: bool, may_leave_mounts: bool) -> bytes:
    """The filter as the kernel takes it.

    Args:
        machine: whose numbers to use.
        supervised: new processes and threads are asked for; otherwise they are allowed.
        may_leave_mounts: a fork may enter a mount namespace of its own.
    """
    program = _Program(machine)
    for name in ("read", "write", "recvmsg", "sendmsg", "futex", "poll", "setitimer", "lseek", "openat"):
        program.answer(name, _RET_ALLOW)
    # Shared memory would join a session with its forks.
    program.refuse_bits("mmap", 3, _MAP_SHARED, _RET_ALLOW)
    program.refuse_bits("clone", 0, _CLONE_NEW_ANY, _RET_ASK if supervised else _RET_ALLOW)
    # Its flags lie in memory, where a filter cannot look; libraries then use clone.
    program.answer("clone3", _RET_ERRNO | errno.ENOSYS)
    program.allow_values("unshare", 0, (kernel.CLONE_NEWNS,) if may_leave_mounts else (), errno.EPERM)
    program.allow_null("prlimit64", 2, before=((0, 0),))
    program.allow_null("sendto", 4)
    program.allow_values("prctl", 0, (_PRCTL_SET_NAME, _PRCTL_GET_NAME), errno.EPERM)
    program.allow_values("fcntl", 1, _FCNTL, errno.EPERM)
    program.allow_values("ioctl", 1, _IOCTL, errno.ENOTTY)
    program.allow_stream_pairs()
    for name in _ALLOWED:
        program.answer(name, _RET_ALLOW)
    return program.finish()


def install_filter(code: bytes, *, supervised: bool) -> int | None:
    """Put this process and all that come from it under a filter, for good.

    Needs `forbid_new_privileges` before.

    Args:
        code: from `filter_program`.
        supervised: as there.

    Returns:
        The listener's descriptor, where the kernel asks about new processes; None if not supervised.

    Raises:
        OSError: the kernel cannot do it.
    """
    memory = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions and where they are.
    program = struct.pack("HxxxxxxQ", len(code) // _INSTRUCTION.size, ctypes.addressof(memory))
    if not supervised:
        kernel.syscall("seccomp", _SET_MODE_FILTER, 0, program)
        return None
    try:
        return kernel.syscall("seccomp", _SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE, program)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # Before Linux 5.19 a signal can interrupt the question, which is then asked again.
        return kernel.syscall("seccomp", _SET_MODE_FILTER, _NEW_LISTENER, program)
