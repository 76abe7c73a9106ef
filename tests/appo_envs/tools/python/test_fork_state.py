"""What a fork carries, and that nothing is shared afterwards."""

from __future__ import annotations

import pytest

from appo_envs.tools.python import PythonSession

from .surroundings import ISOLATED, SMALL, need


def test_random_numbers_go_on_in_every_fork_as_in_the_parent():
    with PythonSession(ISOLATED) as parent:
        parent.run("import random, numpy\nrandom.seed(3); numpy.random.seed(3); g = numpy.random.default_rng(3)")
        forks = parent.fork(3)
        draw = "[random.random(), float(numpy.random.rand()), float(g.random())]"
        drawn = {session.run(draw).value for session in (parent, *forks)}
        assert len(drawn) == 1
        for fork in forks:
            fork.close()


def test_random_numbers_go_on_in_a_fork_that_loses_threads(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("import random, threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()")
        (fork,) = parent.fork()
        draw = "random.random(), threading.active_count()"
        here, there = (str(session.run(draw).value).strip("()").split(", ") for session in (parent, fork))
        assert (here[0], here[1], there[1]) == (there[0], "2", "1")
        fork.close()


def test_two_sessions_draw_different_random_numbers(everywhere):
    with PythonSession(everywhere) as one, PythonSession(everywhere) as other:
        assert one.run("import random; random.random()").value != other.run("import random; random.random()").value


def test_fork_of_one_thread_leaves_out_what_python_does_after_a_fork(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("import os\nseen = []\nos.register_at_fork(after_in_child=lambda: seen.append(1))")
        (fork,) = parent.fork()
        assert fork.run("seen").value == "[]"
        fork.close()


def test_generators_closures_and_views_survive_a_fork():
    with PythonSession(ISOLATED) as parent:
        parent.run(
            "import numpy, re\n"
            "def count():\n    n = 0\n    while True:\n        n += 1\n        yield n\n"
            "g = count(); next(g)\n"
            "def make():\n    total = 10\n    def add(x):\n        nonlocal total\n        total += x\n"
            "        return total\n    return add\n"
            "add = make(); add(1)\n"
            "a = numpy.zeros(3); view = a[1:]\n"
            "m = re.match('(.)', 'x')"
        )
        (fork,) = parent.fork()
        assert fork.run("view[0] = 7; next(g), add(1), a.tolist(), m[1]").value == ("(2, 12, [0.0, 7.0, 0.0], 'x')")
        assert parent.run("next(g), add(1), a.tolist()").value == "(2, 12, [0.0, 0.0, 0.0])"
        fork.close()


def test_files_are_copied_and_diverge():
    need("private_tmp")
    with PythonSession(SMALL) as parent:
        parent.run(
            "import os\nos.makedirs('/tmp/a/b'); open('/tmp/a/b/f', 'w').write('one')\n"
            "os.symlink('a/b/f', '/tmp/link'); os.chmod('/tmp/a/b/f', 0o640); os.chdir('/tmp/a')"
        )
        (fork,) = parent.fork()
        assert fork.run("open('b/f').read(), open('/tmp/link').read(), oct(os.stat('b/f').st_mode)").value == (
            "('one', 'one', '0o100640')"
        )
        fork.run("open('b/f', 'w').write('two'); os.unlink('/tmp/link')")
        assert parent.run("open('b/f').read(), sorted(os.listdir('/tmp'))").value == "('one', ['a', 'link'])"
        fork.close()


@pytest.mark.parametrize("kind", ["named", "nameless"])
def test_open_files_keep_their_place_and_are_shared_no_more(kind):
    need("private_tmp")
    make = "open('/tmp/f', 'w+')" if kind == "named" else "tempfile.TemporaryFile('w+')"
    with PythonSession(SMALL) as parent:
        parent.run(f"import tempfile, os\nf = {make}\nf.write('abcdef'); f.flush(); f.seek(2)")
        first, second = parent.fork(2)
        assert first.run("f.write('XY'); f.flush(); f.seek(0); f.read()").value == "'abXYef'"
        assert second.run("f.read()").value == "'cdef'"
        assert parent.run("f.tell(), f.read()").value == "(2, 'cdef')"
        assert first.run("[n for n in os.listdir('/tmp') if n.startswith('.')]").value == "[]"
        first.close(), second.close()


def test_a_file_being_read_outside_tmp_keeps_its_own_place_in_every_fork(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("import os\nf = open(os.__file__, 'rb', buffering=0); f.read(10)")
        (fork,) = parent.fork()
        fork.run("f.read(100)")
        assert parent.run("f.tell()").value == "10"
        assert fork.run("f.tell()").value == "110"
        fork.close()


def test_pipes_are_cut_in_a_fork(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("import os\nr, w = os.pipe(); os.write(w, b'for the parent')")
        (fork,) = parent.fork()
        assert fork.run("os.read(r, 100)").value == "b''"
        fork.run("os.write(w, b'from the fork')")
        assert parent.run("os.read(r, 100)").value == "b'for the parent'"
        fork.close()


def test_threads_that_a_fork_loses_are_counted():
    need("notify")
    with PythonSession(SMALL) as parent:
        parent.run("import threading, time\nthreading.Thread(target=time.sleep, args=(30,), daemon=True).start()")
        (fork,) = parent.fork()
        assert (parent.threads_lost, fork.threads_lost) == (0, 1)
        assert fork.run("threading.active_count()").value == "1"
        fork.close()


def test_threads_go_on_in_the_session_after_a_snapshot(everywhere):
    with PythonSession(everywhere) as session:
        session.run(
            "import threading, time\nn = [0]\n"
            "def work():\n    while True:\n        n[0] += 1\n        time.sleep(0.001)\n"
            "threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.05)"
        )
        snapshot = session.snapshot()
        assert session.run("a = n[0]; time.sleep(0.1); n[0] > a").value == "True"
        session.restore(snapshot)
        assert session.run("a = n[0]; time.sleep(0.1); n[0] > a").value == "False"
        snapshot.close()


def test_sixty_generations_of_forks_keep_their_state(everywhere):
    with PythonSession(everywhere) as first:
        first.run("line = [0]; open('line', 'w').write('0')")
        session = first
        for generation in range(1, 61):
            (child,) = session.fork()
            if session is not first:
                session.close()
            assert child.run(f"line.append({generation}); open('line', 'a').write('.')").error is None
            session = child
        assert session.run("len(line), len(open('line').read())").value == "(61, 61)"
        assert first.run("line").value == "[0]"
        session.close()


def test_more_forks_than_one_batch_are_made(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("x = 5")
        forks = parent.fork(40)
        assert [fork.run(f"x + {n}").value for n, fork in enumerate(forks)] == [str(5 + n) for n in range(40)]
        for fork in forks:
            fork.close()


def test_at_fork_hooks_of_the_code_do_not_disturb_a_fork(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("import os\nos.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: 1 / 0)\nx = 1")
        (fork,) = parent.fork()
        assert fork.run("x").value == "1"
        fork.close()


def test_random_state_of_a_replaced_generator_does_not_stop_a_fork(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run("import random\nrandom.getstate = random.setstate = None\nx = 1")
        (fork,) = parent.fork()
        assert fork.run("x").value == "1"
        fork.close()


def test_fork_of_a_session_whose_working_folder_was_deleted_works_in_tmp(everywhere):
    with PythonSession(everywhere) as parent:
        parent.run(
            "import os, tempfile\nhome = os.getcwd()\n"
            "with tempfile.TemporaryDirectory() as folder: os.chdir(folder)\nx = 1"
        )
        (fork,) = parent.fork()
        assert fork.run("x, os.path.dirname(os.getcwd()) == os.path.dirname(home)").value == "(1, True)"
        fork.close()
