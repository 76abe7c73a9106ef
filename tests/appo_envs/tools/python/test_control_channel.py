"""Hostile code that speaks on its own channel, forges answers, or patches the worker that it runs beside."""

from __future__ import annotations

import time

import pytest

from appo_envs.errors import SandboxError
from appo_envs.tools.python import PythonSession, PythonSettings, forking
from appo_envs.tools.python.supervisor import supervisor_for
from appo_envs.tools.python.template_process import TemplateProcess

from .surroundings import SMALL, eventually, need, session_processes, witnessed

_CHANNEL = "import socket, json, os, array\nchannel = socket.socket(fileno=os.dup(3))\n"
_FORGED = '["Ran", %s, "forged", null, null, false, 1]'
_BROKEN = {
    "speaks unasked": "channel.send(b'hello')",
    "answers before it is asked": f"channel.send(b'{_FORGED % 1}')",
    "floods": (
        "channel.setblocking(False)\ntry:\n    while True: channel.send(b'x' * 1000)\nexcept BlockingIOError: pass"
    ),
    "sends a huge packet": "channel.send(b'x' * 405_000)",
    "sends no text": "channel.send(bytes(range(256)))",
    "sends a deep message": "channel.send(b'[' * 100_000)",
    "sends descriptors": (
        "channel.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [3] * 3))])"
    ),
    "half closes": "channel.shutdown(socket.SHUT_WR)",
}


@pytest.mark.parametrize("breach", _BROKEN)
def test_breach_of_the_protocol_ends_the_process_and_nothing_else(breach, tmp_path):
    need("private_tmp", "pid", "notify")
    with witnessed(SMALL, tmp_path), PythonSession(SMALL) as session:
        session.run("x = 1")
        first = session.run(_CHANNEL + _BROKEN[breach])
        second = session.run("x")
        assert "process is gone" in str(first.error) + str(second.error), (first, second)
        assert second.stdout != "forged"
        assert session.run("2 + 2").value == "4"


def test_forged_answer_of_the_running_call_is_a_claim_about_itself_only():
    with PythonSession(SMALL) as session:
        result = session.run(
            "import sys\nworker = sys.modules['sandbox.worker']\nsend = worker.send\n"
            "worker.send = lambda channel, message: send(channel, message._replace(stdout='forged'))"
        )
        assert session.run("1").stdout in ("", "forged")
        assert result.seconds > 0


def test_forged_answer_is_not_longer_than_the_limits():
    with PythonSession(SMALL) as session:
        session.run(
            "import sys\nworker = sys.modules['sandbox.worker']\nsend = worker.send\nlong = 'x' * 100_000\n"
            "worker.send = lambda channel, message: send(\n"
            "    channel, message._replace(stdout=long, value=long, error=long)\n"
            ")"
        )
        result = session.run("1")
        limits = SMALL.limits
        for text, most in (
            (result.stdout, limits.output_chars),
            (result.value, limits.output_chars),
            (result.error, limits.error_chars),
        ):
            assert text is not None and most < len(text) < most + 200


_BAD_WORDS = {
    "run": "worker.send = lambda channel, *_: send(channel, wire.Failed(bad))",
    "fork": (
        "def fork(): raise OSError(11, bad)\n"
        "worker.fork = fork\n"
        "worker.send = lambda channel, message: send(\n"
        "    channel, message._replace(error=bad) if isinstance(message, wire.Explained) else message\n"
        ")"
    ),
    "greeting": (
        "send_packet, me = worker.send_packet, os.getpid()\n"
        "worker.send_packet = lambda channel, data, *_, wait: send_packet(\n"
        "    channel, data if os.getpid() == me else wire.encode(wire.Failed(bad)), (), wait=wait\n"
        ")"
    ),
}


@pytest.mark.parametrize("where", _BAD_WORDS)
def test_reason_that_a_session_gives_is_a_short_text_that_can_be_encoded(where):
    with PythonSession(SMALL) as session:
        session.run(
            "import os, sys\nworker, wire = sys.modules['sandbox.worker'], sys.modules['sandbox.wire']\n"
            f"send, bad = worker.send, '\\ud800' * 60_000\n{_BAD_WORDS[where]}"
        )
        if where == "run":
            text = str(session.run("1").error)
        else:
            with pytest.raises(SandboxError) as caught:
                session.fork()
            text = str(caught.value)
        assert "ud800" in text and len(text.encode()) < 10_000


def test_answer_queued_for_the_next_question_ends_the_process():
    with PythonSession(SMALL) as session:
        session.run(
            _CHANNEL + "import sys\nframe = sys._getframe()\n"
            "while 'request' not in frame.f_locals: frame = frame.f_back\n"
            "number = frame.f_locals['request'].number + 1\n"
            "worker = sys.modules['sandbox.worker']\nsend = worker.send\n"
            "def answer_twice(channel, message):\n"
            "    send(channel, message)\n"
            "    send(channel, message._replace(number=number, stdout='forged'))\n"
            "worker.send = answer_twice"
        )
        time.sleep(0.2)
        result = session.run("1")
        assert "spoke unasked" in str(result.error) and result.stdout == ""


def test_answer_by_another_process_ends_both():
    settings = PythonSettings(without=("notify",), floor=(), preload=())
    with PythonSession(settings) as session:
        result = session.run("import os, time\nif os.fork(): time.sleep(1)")
        assert "another process spoke" in str(result.error)


def test_wrong_number_in_an_answer_ends_the_process():
    with PythonSession(SMALL) as session:
        result = session.run(
            "import sys\nworker = sys.modules['sandbox.worker']\nsend = worker.send\n"
            "worker.send = lambda channel, message: send(channel, message._replace(number=1))"
        )
        assert "was not asked" in str(result.error)


_EXPLANATIONS = {
    "a refusal": ("wire.Failed('no')", "^no$"),
    "no message": ("'no'", "process is gone: it broke the protocol"),
    "of another failure": ("wire.Explained(1, 'no')", "process is gone: it answered a question that was not asked"),
    "nothing": ("wire.Explained(number, None)", "^a fork ended before it greeted$"),
}


@pytest.mark.parametrize("explanation", _EXPLANATIONS)
def test_parent_of_forks_that_failed_says_why_or_is_ended(explanation):
    answer, message = _EXPLANATIONS[explanation]
    with PythonSession(SMALL) as session:
        session.run(
            "import sys\nworker, wire = sys.modules['sandbox.worker'], sys.modules['sandbox.wire']\n"
            f"def fork(): raise OSError(11, 'no')\nworker.fork = fork\n"
            f"worker.Explained = lambda number, trouble: {answer}"
        )
        others = session_processes(SMALL)
        with pytest.raises(SandboxError, match=message):
            session.fork(2)
        assert eventually(lambda: session_processes(SMALL) <= others)
        assert session.run("1 + 1").value == "2" or "gone" in message


def test_forks_outlive_a_parent_that_ends_as_soon_as_it_forked():
    with PythonSession(SMALL) as session:
        session.run(
            "import os, sys\nworker, x = sys.modules['sandbox.worker'], 7\nworker.close_all = lambda ends: os._exit(0)"
        )
        forks = session.fork(2)
        assert [fork.run("x").value for fork in forks] == ["7", "7"]
        assert "process is gone" in str(session.run("x").error)
        for fork in forks:
            fork.close()


def test_parent_that_broke_the_protocol_is_ended_even_if_its_forks_cannot_be_looked_for(monkeypatch):
    with PythonSession(SMALL) as session:
        session.run("import sys\nworker = sys.modules['sandbox.worker']\nworker._FIRST_GREETING = b'[\"Hello\", 3]'")
        template = supervisor_for(SMALL)

        def sweep(_parent: int) -> None:
            raise SandboxError("no template")

        others = session_processes(SMALL) - {session.process_id}
        with monkeypatch.context() as patch:
            patch.setattr(template, "sweep", sweep)
            with pytest.raises(SandboxError):
                session.fork(2)
        assert eventually(lambda: session_processes(SMALL) <= others)


@pytest.mark.parametrize("where", ["furnish", "welcome", "settle"])
def test_interrupted_fork_leaves_the_session_and_its_template_in_order(monkeypatch, where):
    need("private_tmp")
    with PythonSession(SMALL) as session:
        session.run("x = 1")
        before = session_processes(SMALL)
        with monkeypatch.context() as patch:
            _interrupt(patch, where)
            with pytest.raises(KeyboardInterrupt):
                session.fork(3)
        assert eventually(lambda: session_processes(SMALL) <= before)
        forks = session.fork(2)
        assert [each.run("x").value for each in (session, *forks)] == ["1"] * 3
        for fork in forks:
            fork.close()


def _interrupt(patch: pytest.MonkeyPatch, where: str) -> None:
    """Have Ctrl-C come once, while the trainer waits for the template, the second fork, or a last greeting."""
    owner, name, call = {
        "furnish": (TemplateProcess, "_receive", 1),
        "welcome": (forking, "_greeting", 2),
        "settle": (forking, "_greeting", 4),
    }[where]
    real, calls = getattr(owner, name), []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments)

    patch.setattr(owner, name, interrupted)


_PATCH_FORK = (
    "import os, sys, socket, time\nworker, wire = sys.modules['sandbox.worker'], sys.modules['sandbox.wire']\n"
    "packets = sys.modules['sandbox.packets']\n"
)
_USE_FORK = "\nworker.fork = fork"
_FALSE_FORKS = {
    "greets itself in the place of a fork": (
        "def fork():\n"
        "    ends = [n for n in range(4, 256) if is_socket(n)]\n"
        "    for end in ends: os.write(end, b'[\"Hello\", 1]')\n"
        "    return 4242\n"
    ),
    "forks once more than asked for": (
        "real = os.fork\n"
        "def fork():\n"
        "    pid = real()\n"
        "    if pid:\n"
        "        try:\n"
        "            if real() == 0:\n"
        "                while True: pass\n"
        "        except OSError: pass\n"
        "    return pid\n"
    ),
    "never greets": "real = os.fork\ndef fork():\n    pid = real()\n    if pid == 0: os._exit(0)\n    return pid\n",
    "does not fork at all": "def fork(): return 4242\n",
    "forks from another thread": (
        "real = os.fork\nimport threading\n"
        "def fork():\n"
        "    t = threading.Thread(target=real); t.start(); t.join()\n"
        "    return 4242\n"
    ),
    "keeps a pipe to the fork": (
        "r, w = os.pipe()\nsys.modules['sandbox.isolation.private_tmp'].cut = print\nfork = os.fork\n"
    ),
    "keeps its parent's file open": (
        "f = open('/tmp/shared', 'w+')\nsys.modules['sandbox.isolation.private_tmp'].reopen = print\nfork = os.fork\n"
    ),
    "stays in its parent's folder": (
        "here = dict(vars(os), chdir=staticmethod(print))\n"
        "sys.modules['sandbox.isolation.private_tmp'].os = type('O', (), here)\nfork = os.fork\n"
    ),
    "keeps its parent's file in memory": (
        "import mmap\nf = open('/tmp/shared', 'w+b'); f.write(bytes(4096)); f.flush()\n"
        "m = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_COPY); m[0]; f.close()\nfork = os.fork\n"
    ),
    "exits in a hook": "os.register_at_fork(after_in_child=lambda: os._exit(1))\nfork = os.fork\n",
    # Only the sweep finds a fork that never said who it is.
    "hangs in a hook": (
        "def hang():\n    while True: time.sleep(9)\nos.register_at_fork(after_in_child=hang)\nfork = os.fork\n"
    ),
    "answers for a fork that it steals the channel of": (
        "real = os.fork\n"
        "def fork():\n"
        "    pid = real()\n"
        "    if pid:\n"
        "        end = max(n for n in range(4, 256) if is_socket(n))\n"
        "        os.read(end, 100)\n"
        "        for n in range(4, 256):\n"
        "            if is_socket(n): os.write(n, b'[\"Hello\", 2]')\n"
        "    return pid\n"
    ),
}
_IS_SOCKET = """
def is_socket(number):
    import stat
    try: return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError: return False
"""


@pytest.mark.parametrize("trick", _FALSE_FORKS)
def test_false_fork_is_refused_and_leaves_no_process(trick, tmp_path):
    need("private_tmp", "pid", "notify")
    with witnessed(SMALL, tmp_path) as witness, PythonSession(SMALL) as session:
        session.run(_PATCH_FORK + _IS_SOCKET + _FALSE_FORKS[trick] + _USE_FORK)
        if trick == "forks once more than asked for":
            # The fork that was asked for is made; the other one is not.
            for fork in session.fork(1):
                fork.close()
        else:
            with pytest.raises(SandboxError, match="fork"):
                session.fork(2)
        known = lambda: {witness.sibling.process_id, session.process_id} - {None}  # noqa: E731
        assert eventually(lambda: session_processes(SMALL) <= known())


_FALSE_GREETINGS = {
    "plays the fork itself": (
        "def fork():\n"
        "    end = socket.socket(fileno=os.dup(min(n for n in range(4, 256) if is_socket(n))))\n"
        "    wire.send(end, wire.Hello(1))\n"
        "    own = socket.socket(fileno=packets.receive(end).descriptors[0])\n"
        "    wire.send(own, wire.Hello(2))\n"
        "    return 4242\n"
    ),
    "takes the channel meant for its fork": (
        "real, me = os.fork, os.getpid()\n"
        "def receive(channel):\n"
        "    while os.getpid() != me: time.sleep(1)\n"
        "    return packets.receive(channel)\n"
        "worker.receive = receive\n"
        "def fork():\n"
        "    pid = real()\n"
        "    if pid:\n"
        "        end = socket.socket(fileno=os.dup(min(n for n in range(4, 256) if is_socket(n))))\n"
        "        own = socket.socket(fileno=packets.receive(end).descriptors[0])\n"
        "        wire.send(own, wire.Hello(2))\n"
        "    return pid\n"
    ),
}


@pytest.mark.parametrize("trick", _FALSE_GREETINGS)
def test_parent_cannot_greet_in_the_place_of_its_fork(trick):
    need("landlock", "notify")
    # With private folders the inspection finds the parent out as well; here nobody but the kernel names the sender.
    settings = PythonSettings(without=("mnt",), preload=("random",))
    with PythonSession(settings) as session:
        session.run(_PATCH_FORK + _IS_SOCKET + _FALSE_GREETINGS[trick] + _USE_FORK)
        with pytest.raises(SandboxError, match="no new fork|in the place of"):
            session.fork(1)


def test_parent_cannot_read_what_its_fork_is_asked():
    need("private_tmp", "notify")
    with PythonSession(SMALL) as session:
        # Keep every descriptor that ever passes through the parent.
        session.run(
            "import os, sys\nworker = sys.modules['sandbox.worker']\nkept = []\n"
            "def close_all(ends):\n"
            "    if os.getpid() == me: kept.extend(ends)\n    else: [os.close(e) for e in ends]\n"
            "me = os.getpid()\nworker.close_all = close_all"
        )
        (fork,) = session.fork(1)
        read = (
            "import os\nfor e in kept:\n    os.set_blocking(e, False)\n"
            "    try: print(e, os.read(e, 100))\n    except OSError as x: print(x)"
        )
        assert "secret" not in session.run(read).stdout
        assert fork.run("'the secret is out'").value == "'the secret is out'"
        assert "secret" not in session.run(read).stdout
        fork.close()
