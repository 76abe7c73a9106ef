"""BM25 scores and the best of them."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appo_envs.tools.search.ranking import Ranking, best, words

K1, B = 1.5, 0.75


def _slowly(texts: list[str], query: list[str]) -> list[float]:
    """BM25 with Lucene's inverse document frequency, word by word (Kamphuis et al., 2020)."""
    documents = [Counter(words(text)) for text in texts]
    average = sum(sum(document.values()) for document in documents) / len(documents)
    scores = []
    for document in documents:
        length, score = sum(document.values()), 0.0
        for word in query:
            having = sum(word in other for other in documents)
            idf = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
            score += idf * document[word] / (document[word] + K1 * (1 - B + B * length / average))
        scores.append(score)
    return scores


def test_words_are_letters_and_digits_in_lower_case() -> None:
    assert words("Ada's 2nd CAFÉ—Straße, 東京_1!") == ["ada", "s", "2nd", "café", "straße", "東京_1"]


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    texts = ["red apple", "red pear", "red plum", "green plum"]
    scores = Ranking.of(texts).scores(["red", "pear"])
    assert best(scores, 4) == [1, 0, 2]
    assert scores[3] == 0


def test_texts_without_words_are_refused() -> None:
    for texts in ([], ["", "!?"]):
        with pytest.raises(ValueError, match="without a word"):
            Ranking.of(texts)


def test_unknown_words_count_nothing() -> None:
    ranking = Ranking.of(["a b", "c"])
    assert not ranking.scores(["x"]).any() and not ranking.scores([]).any()
    assert ranking.scores(["a", "x"]).tolist() == ranking.scores(["a"]).tolist()
    assert ranking.knows(["a", "c"]) and not ranking.knows(["a", "x"])


@settings(max_examples=50)
@given(
    st.lists(st.text("abc ", max_size=12), min_size=1, max_size=8).filter(lambda texts: any(map(words, texts))),
    st.lists(st.sampled_from(["a", "b", "ab", "c", "zz"]), max_size=4),
)
def test_scores_are_those_of_the_formula(texts: list[str], query: list[str]) -> None:
    assert Ranking.of(texts).scores(query) == pytest.approx(_slowly(texts, query), rel=1e-5, abs=1e-6)


@settings(max_examples=50)
@given(
    st.lists(st.text("abc ", max_size=12), min_size=1, max_size=8).filter(lambda texts: any(map(words, texts))),
    st.lists(st.sampled_from(["a", "b", "ab", "c", "zz"]), max_size=4),
    st.integers(1, 8),
)
def test_a_small_ranking_finds_the_same(texts: list[str], query: list[str], k: int) -> None:
    ranking = Ranking.of(texts)
    assert ranking.small().best(query, k) == best(ranking.scores(query), k)


def test_a_small_ranking_puts_rare_words_first_and_leaves_others_out() -> None:
    ranking = Ranking.of(["red apple", "red pear", "red plum", "green plum"]).small()
    assert ranking.best(["red", "pear"], 4) == [1, 0, 2]
    assert ranking.best(["red"], 2) == [0, 1]
    assert ranking.best(["blue"], 2) == []


@pytest.mark.parametrize(
    ("scores", "k", "places"),
    [
        ([0.5, 2.0, 0.0, 1.0], 2, [1, 3]),
        ([0.5, 2.0, 0.0, 1.0], 9, [1, 3, 0]),
        ([1.0, 2.0, 1.0, 1.0], 2, [1, 0]),
        ([1.0, 1.0, 1.0], 1, [0]),
        ([0.0, 0.0], 1, []),
    ],
)
def test_the_best_come_first_and_ties_in_their_order(scores: list[float], k: int, places: list[int]) -> None:
    assert best(np.array(scores, dtype=np.float32), k) == places


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0]), min_size=1, max_size=40), st.integers(1, 10))
def test_the_best_are_those_of_a_full_sort(scores: list[float], k: int) -> None:
    order = sorted((place for place, score in enumerate(scores) if score), key=lambda place: (-scores[place], place))
    assert best(np.array(scores, dtype=np.float32), k) == order[:k]
