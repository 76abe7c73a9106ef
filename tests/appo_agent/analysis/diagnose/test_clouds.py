import sys

import numpy as np
import pytest

from appo_agent.analysis.diagnose.clouds import HEIGHT, WIDTH, cloud
from appo_agent.errors import ConfigError


def test_the_same_counts_give_the_same_picture_and_others_another() -> None:
    picture = cloud({"search": 9, "answer": 1})
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert (picture == cloud({"search": 9, "answer": 1})).all()
    assert (picture != cloud({"search": 1, "answer": 9})).any()


def test_a_token_that_is_chosen_more_often_is_larger() -> None:
    often, seldom = (int(np.any(cloud(counts) != 255, axis=2).sum()) for counts in ({"x": 9, "o": 9}, {"x": 9, "o": 1}))
    assert often > seldom


@pytest.mark.parametrize("token", ["", " ", "\n", "\\boxed{", "答", "</think>"])
def test_every_token_can_be_seen(token: str) -> None:
    assert (cloud({token: 1}) != 255).any()


def test_the_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordcloud", None)
    with pytest.raises(ConfigError, match=r"wordcloud: `pip install 'appo-gym\[analysis\]'`"):
        cloud({"a": 1})
