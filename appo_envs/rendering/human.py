"""An episode on a terminal, by way of rich.

Owns the look in rich's styles. Rich is optional and imported when something is printed: without it `ansi` does the
same in plainer colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appo_envs.rendering.layout import MIN_WIDTH, laid_out
from appo_envs.rendering.styles import Part
from appo_envs.rendering.view import EpisodeView

if TYPE_CHECKING:
    from rich.console import Console

EXTRA = "render"
"""The extra of the package that brings rich."""

_STYLES = {
    Part.PLAIN: "",
    Part.FAINT: "dim",
    Part.HEADING: "bold",
    Part.TOOL: "bold cyan",
    Part.ANSWER: "bold",
    Part.GOOD: "bold green",
    Part.FAIR: "bold yellow",
    Part.BAD: "red",
    Part.KEYWORD: "magenta",
    Part.STRING: "green",
    Part.NUMBER: "cyan",
    Part.COMMENT: "dim italic",
}


def print_human(view: EpisodeView, console: Console | None = None, *, since: int = 0) -> None:
    """Print the episode.

    Args:
        view: the episode.
        console: where to; None for standard output. Its width is that of the lines, but not less than 20 columns; what
            its encoding cannot say is a question mark.
        since: number of turns that have been shown before; the question is shown if it is 0.

    Raises:
        ImportError: rich is not installed.
        ValueError: `since` is negative.
    """
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError as error:
        raise ImportError(
            f"render mode 'human' needs rich; pip install 'appo-gym[{EXTRA}]' brings it, or use render mode 'ansi'"
        ) from error

    console = console or Console()
    encoding = console.encoding
    for line in laid_out(view, max(MIN_WIDTH, console.width), since):
        # Texts and not strings: rich would read markup and emoji codes in a string.
        spans = [(span.text.encode(encoding, "replace").decode(encoding), _STYLES[span.part]) for span in line]
        text = Text.assemble(*spans)
        console.print(text, no_wrap=True, crop=False, overflow="ignore", highlight=False)
