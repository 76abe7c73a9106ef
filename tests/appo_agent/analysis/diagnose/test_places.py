import numpy as np

from appo_agent.analysis.diagnose.places import places_of, words_of
from appo_agent.types import Rollout, TokenSpan, Turn


def rollout(*turns: tuple[str, str]) -> tuple[Rollout, dict[int, str]]:
    """Turns of words and observations, one token a word."""
    words: dict[str, int] = {}

    def span(author: str, text: str) -> TokenSpan:
        ids = np.array([words.setdefault(word, len(words)) for word in text.split()], np.int64)
        return TokenSpan(author, ids, np.zeros(len(ids), np.float32) if author == "policy" else None)  # type: ignore[arg-type]

    made = tuple(Turn(span("policy", action), span("env", seen), 0.0) for action, seen in turns)
    return Rollout("0", made, None, True, False, 0), {number: word for word, number in words.items()}


def places(*turns: tuple[str, str]) -> str:
    """First letters: t(hinking), a(rguments), r (after a result), A(nswer)."""
    made, words = rollout(*turns)
    letters = {"thinking": "t", "arguments": "a", "after_result": "r", "answer": "A"}
    found = places_of(made, lambda ids: " ".join(words[int(token)] for token in ids))
    return "".join(letters[place] for place in found)


def test_tags_divide_a_turn() -> None:
    assert places(("<think> look up </think> <search> Ba Gor </search>", "")) == "tttt" + "aaaa"
    assert places(("<think> so </think> <answer> \\boxed{ Lo } </answer>", "")) == "ttt" + "AAAAA"


def test_the_first_token_after_a_result_is_that_whatever_it_begins() -> None:
    found = places(("<search> x </search>", "<result> y </result>"), ("<answer> y </answer>", ""))
    assert found == "aaa" + "rAA"


def test_words_outside_of_tags_are_thinking_and_an_open_tag_reaches_to_the_end() -> None:
    assert places(("well then <search> Ba Gor", "")) == "tt" + "aaa"


def test_a_call_in_json_is_arguments() -> None:
    assert places(('hm <tool_call> {"name": "x"} </tool_call>', "")) == "t" + "aaaa"


def test_without_a_result_no_token_comes_after_one() -> None:
    assert places(("<think> a </think>", ""), ("<answer> b </answer>", "")) == "ttt" + "AAA"


def test_tokens_are_numbered_by_the_words_of_all_turns() -> None:
    made, words = rollout(("<search> x </search>", "<result> y </result>"), ("<answer> y </answer>", ""))
    assert words_of(made, lambda ids: " ".join(words[int(token)] for token in ids)) == [0, 1, 2, 3, 4, 5]
    # Tokens that are parts of words: "ab c" in three tokens.
    spelled = {0: "a", 1: "b", 2: " c"}
    span = TokenSpan("policy", np.array([0, 1, 2]), np.zeros(3, np.float32))
    pieces = Rollout("0", (Turn(span, TokenSpan("env", np.array([], np.int64)), 0.0),), None, True, False, 0)
    assert words_of(pieces, lambda ids: "".join(spelled[int(token)] for token in ids)) == [0, 0, 1]
