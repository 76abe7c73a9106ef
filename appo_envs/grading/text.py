"""Scores of answers that are words.

Owns the comparison of texts; mathematical equality is in `mathematics.py`, other kinds of answer in the files
named after them.
"""

from __future__ import annotations

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_DELETE_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CLOSED_ANSWERS = frozenset({"yes", "no", "noanswer"})


def exact_match(answer: str, gold: str) -> float:
    """1 if the texts are the same but for case, punctuation, articles and white space; else 0.

    Differs from SQuAD's script: where the gold answer is nothing but articles, such as the option "A", they count.
    """
    read = normalise if normalise(gold) else _words
    return float(answer == gold or read(answer) == read(gold))


def cover_match(answer: str, gold: str) -> float:
    """1 if the normalised answer contains the normalised gold answer, else 0.

    Containment is of characters and not of words, so "know" covers "no": right for names, a gift for yes and no.
    Long answers cover more; pair it with a limit on their length.

    Source: `subem_check` of Search-R1. Differs from it: a gold answer with nothing left of it after
    normalisation, such as "The", is covered by its equal only and not by everything.
    """
    wanted = normalise(gold)
    return float(wanted in normalise(answer)) if wanted else exact_match(answer, gold)


def f1(answer: str, gold: str) -> float:
    """Harmonic mean of the precision and recall of words, as HotpotQA counts them.

    An answer of yes, no or noanswer is worth something only if it is the gold answer, and the other way
    round. Differs from HotpotQA's script, which gives 0 for a gold answer of nothing but articles: that one is compared
    with `exact_match`.
    """
    if not normalise(gold):
        return exact_match(answer, gold)
    answer, gold = normalise(answer), normalise(gold)
    if answer == gold:
        return 1.0
    if answer in _CLOSED_ANSWERS or gold in _CLOSED_ANSWERS:
        return 0.0
    answer_words, gold_words = answer.split(), gold.split()
    common = (Counter(answer_words) & Counter(gold_words)).total()
    return 2 * common / (len(answer_words) + len(gold_words))


def normalise(text: str) -> str:
    """Lower case, no ASCII punctuation, no articles, single spaces: as SQuAD and HotpotQA do it."""
    return " ".join(_ARTICLES.sub(" ", _words(text)).split())


def _words(text: str) -> str:
    return " ".join(text.lower().translate(_DELETE_PUNCTUATION).split())
