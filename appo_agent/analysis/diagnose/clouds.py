"""Clouds of the tokens that a rule chooses: the more often it does, the larger."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from appo_agent.errors import ConfigError
from appo_agent.extras import install_line

WIDTH, HEIGHT = 640, 340
"""Of a cloud, in pixels."""
_SPACE = "\N{OPEN BOX}"
"""What stands for a space or an end of line, which could not be seen."""


def cloud(counts: Mapping[str, int]) -> np.ndarray:
    """The picture of some tokens, the same for the same counts.

    Args:
        counts: token -> how often it was chosen, at least 1; at least one token.

    Returns:
        (HEIGHT, WIDTH, 3), RGB.

    Raises:
        ConfigError: wordcloud is not installed.
    """
    try:
        from wordcloud import WordCloud
    except ModuleNotFoundError as error:
        raise ConfigError(f"clouds of tokens need wordcloud: `{install_line('analysis')}`") from error
    from matplotlib.font_manager import findfont

    visible: dict[str, int] = {}
    for token, count in counts.items():
        # Tokens that differ in their kind of white space alone look alike.
        word = "".join(_SPACE if character.isspace() else character for character in token) or _SPACE
        visible[word] = visible.get(word, 0) + count
    drawn = WordCloud(
        width=WIDTH,
        height=HEIGHT,
        background_color="white",
        colormap="viridis",
        font_path=findfont("DejaVu Sans"),
        prefer_horizontal=1.0,
        max_font_size=HEIGHT // 4,
        random_state=0,
    )
    return drawn.generate_from_frequencies(visible).to_array()
