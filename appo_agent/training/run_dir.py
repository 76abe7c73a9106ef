"""A run's directory: what lies where, and that only one process works in it.

    config.toml                     the resolved settings
    metrics.jsonl, tensorboard/     figures by step
    records/step_000010.msgpack     rollout trees
    records/evaluation_NAME.msgpack episodes of `appo eval`; their figures in evaluation_NAME.json
    transcripts/                    episodes as text
    checkpoints/step_000010/        for resuming
    policy/                         Hugging Face folder
    learning_curve.png
    phases.log                      when each phase began

Owns paths, creation and the lock. The files' contents belong to `checkpoint`, `metrics`, `record` and the
policies.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appo_agent.disk import writing
from appo_agent.errors import RunError
from appo_agent.whole_folder import put_back


@dataclass(frozen=True)
class RunDir:
    """The directory of one run. Use `create` or `open`; the constructor checks nothing.

    Attributes:
        path: the directory.
    """

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunDir:
        """A new, empty run; parents are made as needed.

        Raises:
            RunError: the directory exists and is not empty, or cannot be made or written to.
        """
        run = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path} is not empty; choose another directory or resume the run in it")
            for folder in (run.records, run.transcripts, run.checkpoints):
                folder.mkdir()
        except OSError as error:
            raise RunError(f"cannot create a run in {path}: {error.strerror}") from error
        return run

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """An existing run, to resume or to read. A policy that a crash left moved aside is put back.

        Raises:
            RunError: no such directory, nothing in it says that it is a run, or the disk refused.
        """
        run = cls(path)
        if not path.is_dir():
            raise RunError(f"no run at {path}")
        if not run.config.is_file():
            raise RunError(f"{path} is not a run: it has no {run.config.name}")
        try:
            put_back(run.policy)
        except OSError as error:
            raise RunError(f"cannot put {run.policy} back, which a crash left moved aside: {error.strerror}") from error
        return run

    @property
    def config(self) -> Path:
        """The resolved settings, TOML. Its presence makes the directory a run."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """One JSON line a step."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def records(self) -> Path:
        """Folder of the recorded rollout trees."""
        return self.path / "records"

    @property
    def transcripts(self) -> Path:
        """Folder of the episodes as text."""
        return self.path / "transcripts"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def policy(self) -> Path:
        """The policy as a Hugging Face folder."""
        return self.path / "policy"

    @property
    def learning_curve(self) -> Path:
        """The plot."""
        return self.path / "learning_curve.png"

    @property
    def phases(self) -> Path:
        """When each phase began."""
        return self.path / "phases.log"

    def record(self, step: int) -> Path:
        """The recorded rollout trees of a step."""
        return self.records / f"step_{step:06d}.msgpack"

    def evaluation(self, name: str) -> Path:
        """The recorded episodes of an evaluation."""
        return self.records / f"evaluation_{name}.msgpack"

    def evaluation_figures(self, name: str) -> Path:
        """What an evaluation found, JSON."""
        return self.records / f"evaluation_{name}.json"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint after a step."""
        return self.checkpoints / f"step_{step:06d}"

    def write_config(self, toml: str) -> None:
        """Write the resolved settings.

        Raises:
            RunError: the disk refused.
        """
        with writing(self.config):
            self.config.write_text(toml, encoding="utf-8")

    def log_phase(self, text: str) -> None:
        """Append one line with the local time to `phases`.

        Raises:
            RunError: the disk refused.
        """
        with writing(self.phases), self.phases.open("a", encoding="utf-8") as stream:
            stream.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process from working in the run for as long as the block runs.

        The operating system drops the lock when the process ends, however it ends.

        Raises:
            RunError: another process holds it, says which; or the disk refused.
        """
        path = self.path / "run.lock"
        with writing(path):
            # Without a buffer: what a full disk refused would be written once more, and refused, when it is closed.
            stream = path.open("a+b", buffering=0)
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                stream.seek(0)
                holder = stream.read().decode().strip() or "another process"
                raise RunError(f"{self.path} is in use by {holder}") from error
            since = datetime.now().astimezone().isoformat(timespec="seconds")
            with writing(path):
                stream.truncate(0)
                stream.write(f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
            yield
            stream.truncate(0)
