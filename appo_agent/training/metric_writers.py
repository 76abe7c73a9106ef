"""Where figures go besides the run's own file: TensorBoard, Weights & Biases, trackio.

Owns the protocol and its adapters, one short class a service. The file of figures, which everything else reads, is
`metrics`. A service is imported when its writer is made.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appo_agent.disk import writing
from appo_agent.errors import ConfigError, did_you_mean
from appo_agent.extras import extra_of, install_line
from appo_agent.training.run_dir import RunDir

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PROJECT = "appo-gym"
"""Name of the project in services that have projects."""


class MetricWriter(Protocol):
    """Takes the figures of a run, step after step."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a step's figures, which may be NaN or infinite."""
        ...

    def rewind(self, step: int) -> None:
        """The run went back: later steps will be written again. Called before the first `write`."""
        ...

    def close(self) -> None:
        """Send what is not yet sent. Nothing is written afterwards."""
        ...


def open_writers(names: Sequence[str], directory: RunDir, settings: Mapping[str, object]) -> list[MetricWriter]:
    """The writers of a run.

    Args:
        names: of `WRITERS`, each at most once.
        directory: of the run.
        settings: of the run, to be shown beside its figures.

    Raises:
        ConfigError: a name is unknown or repeated, its package is not installed, or its service refuses.
    """
    check_writers(names)
    require_writers(names)
    return [WRITERS[name](directory, settings) for name in names]


def check_writers(names: Sequence[str]) -> None:
    """Refuse names that no writer has; whether packages are installed is not looked at.

    Raises:
        ConfigError: a name is unknown or repeated.
    """
    for name in names:
        if name not in WRITERS:
            known = ", ".join(WRITERS)
            raise ConfigError(f"log_to: no writer {name!r}{did_you_mean(name, WRITERS)}; there are {known}")
    if len(set(names)) < len(names):
        raise ConfigError(f"log_to: each writer once, got {', '.join(names)}")


def require_writers(names: Sequence[str]) -> None:
    """Refuse writers whose packages are not installed, before anything is made or loaded.

    Raises:
        ConfigError: names the package and the extra that brings it.
    """
    for name in names:
        if find_spec(name) is None:
            install = install_line(extra_of(name) or name)
            raise ConfigError(f"log_to: {name} is not installed; install it with `{install}`")


class TensorBoardWriter:
    """Event files in the run directory, for `tensorboard --logdir RUN`.

    Args:
        directory: of the run.
        settings: not used; TensorBoard has no good place for them.
    """

    def __init__(self, directory: RunDir, settings: Mapping[str, object]) -> None:
        self._folder: Path = directory.tensorboard
        self._writer: SummaryWriter | None = None
        self._purge_step: int | None = None

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `MetricWriter.write`."""
        if self._writer is None:
            # Takes seconds to import, and evaluation has no use for it.
            from torch.utils.tensorboard import SummaryWriter

            with writing(self._folder):
                self._writer = SummaryWriter(str(self._folder), purge_step=self._purge_step)
        with writing(self._folder):
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def rewind(self, step: int) -> None:
        """See `MetricWriter.rewind`."""
        self.close()
        self._purge_step = step + 1

    def close(self) -> None:
        """See `MetricWriter.close`."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with writing(self._folder):
                writer.close()


class WandbWriter:
    """A run of Weights & Biases; where it goes, and whether at all, is said by its own variables, such as WANDB_MODE.

    Steps that a resumed run writes again are kept as they were the first time: the service takes each step once.

    Args:
        directory: of the run; its name is the run's.
        settings: the run's configuration there.

    Raises:
        ConfigError: wandb refuses.
    """

    def __init__(self, directory: RunDir, settings: Mapping[str, object]) -> None:
        wandb = import_module("wandb")
        try:
            with redirect_stdout(sys.stderr):
                self._run: Any = wandb.init(
                    project=PROJECT,
                    name=directory.path.resolve().name,
                    id=_kept_id(directory.path / "wandb.id"),
                    dir=str(directory.path),
                    config=dict(settings),
                    resume="allow",
                )
        except wandb.Error as error:
            raise ConfigError(f"log_to: wandb does not start: {error}") from error

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `MetricWriter.write`."""
        self._run.log(dict(figures), step=step)

    def rewind(self, step: int) -> None:
        """Nothing can be taken back."""

    def close(self) -> None:
        """See `MetricWriter.close`."""
        with redirect_stdout(sys.stderr):
            self._run.finish()


class TrackioWriter:
    """A run of trackio, on this machine unless trackio's own variables say otherwise; `trackio show` shows it.

    Args:
        directory: of the run; its name is the run's.
        settings: the run's configuration there.
    """

    def __init__(self, directory: RunDir, settings: Mapping[str, object]) -> None:
        name = f"{directory.path.resolve().name}-{_kept_id(directory.path / 'trackio.id')}"
        self._trackio: Any = import_module("trackio")
        # It talks on stdout, which belongs to the command's result.
        with redirect_stdout(sys.stderr):
            self._trackio.init(project=PROJECT, name=name, config=dict(settings), resume="allow", embed=False)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `MetricWriter.write`."""
        self._trackio.log(dict(figures), step=step)

    def rewind(self, step: int) -> None:
        """Nothing can be taken back."""

    def close(self) -> None:
        """See `MetricWriter.close`."""
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


WRITERS: Mapping[str, Callable[[RunDir, Mapping[str, object]], MetricWriter]] = {
    "tensorboard": TensorBoardWriter,
    "wandb": WandbWriter,
    "trackio": TrackioWriter,
}
"""Writers by name, as settings give it."""


def _kept_id(path: Path) -> str:
    """An id that a resumed run finds again, and that another run in a directory of the same name does not have."""
    if not path.exists():
        with writing(path):
            path.write_text(secrets.token_hex(8), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
