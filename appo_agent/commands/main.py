"""The `appo` program: finds the command, runs it, turns errors that a person can act on into one line.

A command is a module with `HELP: str` and `run(argv) -> int`; it is imported only when it is called, so that
`appo --help` stays fast however heavy the commands are.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

from appo_agent.errors import AppoError, ConfigError, did_you_mean
from appo_agent.extras import extra_of, install_line

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended."""


class Command(NamedTuple):
    """A command's module and its line in `appo --help`."""

    module: str
    summary: str


COMMANDS = {
    "train": Command("appo_agent.commands.train", "train the bundled agent"),
    "eval": Command("appo_agent.commands.eval", "evaluate the policy of a run"),
    "compare": Command("appo_agent.commands.compare", "compare algorithms under one protocol"),
    "diagnose": Command("appo_agent.commands.diagnose", "measure where decisions matter to a policy"),
    "view": Command("appo_agent.commands.view", "show runs in a browser"),
    "bench": Command("appo_agent.commands.bench", "run benchmarks and compare what they found"),
    "chat": Command("appo_agent.commands.chat", "ask a policy questions and watch it use its tools"),
    "serve": Command("appo_agent.commands.serve", "serve a policy as an OpenAI-compatible endpoint"),
    "algorithms": Command("appo_agent.commands.algorithms", "list the training algorithms"),
    "envs": Command("appo_agent.commands.envs", "list the environments"),
    "check-env": Command("appo_agent.commands.check_env", "check that an environment keeps its promises"),
    "doctor": Command("appo_agent.commands.doctor", "say what this machine has and what it lacks"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `appo`; None takes them from the process.

    Returns:
        The exit code: 0, the command's own, 2 after an error that was printed as one line, 130 after Ctrl-C.
        Any other exception is a bug and propagates.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if os.getcwd() not in sys.path:
        # `--env module:id` may name a file beside the user; behind everything else, so that it hides nothing.
        sys.path.append(os.getcwd())
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except AppoError as error:
        print(f"appo: {error}", file=sys.stderr)
        return EXIT_ERROR
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "")
        if extra is None:
            raise
        print(
            f"appo: {error.name} is not installed, which `appo {words[0]}` needs; install it with "
            f"`{install_line(extra)}`, in a checkout with `pip install -c constraints.txt -e '.[{extra}]'`",
            file=sys.stderr,
        )
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has seen enough. Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    if words[0] == "--version":
        print(f"appo {version('appo-gym')}")
        return 0
    name, *rest = words
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        raise ConfigError(f"unknown command {name!r}{hint}")
    return importlib.import_module(COMMANDS[name].module).run(rest)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: appo COMMAND [OPTIONS]", "", *lines, "", "appo COMMAND --help says more; appo --version"])
