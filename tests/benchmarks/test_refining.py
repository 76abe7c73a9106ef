"""What a refining step is shown, and what is taken from its reply."""

import pytest
from appo_benchmarks.endpoint import Completion
from appo_benchmarks.refining import NOTHING, RefiningSearch, final_information, refine_prompt

from appo_envs import Task
from appo_envs.tools.search import Bm25Search, SearchHit


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("I read.\nFinal Information: Ada.", "Ada."),
        ("**Final Information:**\n\nAda.\nBob.", "Ada.\nBob."),
        ("Final Information: no\nFinal Information: yes", "yes"),
        ("Ada.", "Ada."),
        ("", NOTHING),
        ("Final Information:", NOTHING),
    ],
)
def test_the_last_final_information_is_what_goes_on(reply: str, found: str) -> None:
    assert final_information(reply) == found


def test_a_long_reasoning_is_shown_by_its_first_and_last_steps() -> None:
    prompt = refine_prompt([f"step{number}." for number in range(8)], "q", "d")
    shown = [number for number in range(8) if f"step{number}." in prompt]
    assert shown == [0, 4, 5, 6, 7] and "step0.\n\n...\n\nstep4." in prompt


def test_what_was_refined_before_is_part_of_the_reasoning_until_the_next_episode() -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> Completion:
        prompts.append(prompt)
        return Completion(f"Final Information: fact {len(prompts)}", "stop", 1, 1)

    tool = RefiningSearch(Bm25Search.of([SearchHit("Dorum", "", "Ada lives in Dorum.")]), ask)
    tool.reset(Task("a", "?", ""))
    tool.hear("first thought")
    assert tool.call({"query": "Dorum"}) == "fact 1"
    kept = tool.snapshot()
    tool.hear("second thought")
    assert tool.refined is None
    tool.call({"query": "Dorum"})
    assert "first thought\n\nfact 1\n\nsecond thought" in prompts[1]
    tool.restore(kept)
    assert tool.snapshot() == ("first thought", "fact 1")
    tool.reset(Task("b", "?", ""))
    assert tool.snapshot() is None
    with pytest.raises(TypeError, match="snapshot of a refining search, got int"):
        tool.restore(3)
