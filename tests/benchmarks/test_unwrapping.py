r"""Markup around a whole answer goes, and nothing else does."""

import pytest
from appo_benchmarks.unwrapping import unwrapped
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (r"\text{Paris}", "Paris"),
        (r"\boxed{\text{Paris}}", "Paris"),
        (r" \textbf {New York } ", "New York"),
        (r"\textrm{a}", "a"),
        (r"\mathrm{a}", "a"),
        (r"\mbox{a}", "a"),
        (r"$\text{Paris}$", "Paris"),
        ("$$5$$", "5"),
        (r"\(5\)", "5"),
        (r"\[ x < 5 \]", "x < 5"),
        ("**Paris**", "Paris"),
        (r"\text{a {b} \} c}", r"a {b} \} c"),
        ("Paris", "Paris"),
        ("$5", "$5"),
        ("$5 or $6$", "$5 or $6$"),
        ("$5$ or $6$", "$5$ or $6$"),
        ("**a** and **b**", "**a** and **b**"),
        (r"\text{a} and \text{b}", r"\text{a} and \text{b}"),
        (r"5 \text{ km}", r"5 \text{ km}"),
        (r"\text{Paris", r"\text{Paris"),
        (r"\text{Paris\}", r"\text{Paris\}"),
        (r"\textit{Paris}", r"\textit{Paris}"),
        (r"\text{}", r"\text{}"),
        ("$$", "$$"),
        ("$", "$"),
        ("", ""),
    ],
)
def test_markup_around_the_whole_text_is_taken_off(text: str, bare: str) -> None:
    assert unwrapped(text) == bare


@given(st.lists(st.sampled_from([*"$*{}()\\ ab", r"\text{", r"\boxed{"]), max_size=12).map("".join))
def test_what_is_left_is_inside_the_text(text: str) -> None:
    assert unwrapped(text) in text and bool(unwrapped(text)) == bool(text.strip())


def test_a_text_that_is_all_markup_is_read_in_no_time() -> None:
    assert unwrapped(r"\text{" * 100_000 + "a" + "}" * 100_000).startswith(r"\text{")
