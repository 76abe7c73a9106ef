"""Environments of one's own, by id."""

from collections.abc import Iterator, Sequence

import gymnasium
import pytest

import appo_envs
from appo_envs.envs.declared import CheckedGrade, declared_env
from appo_envs.grading import exact_match
from appo_envs.tasks import Task
from appo_envs.tools.base import ToolMaker, tool_schema
from tests.appo_envs.toy import SOURCE, CountTool

ID = "tests/Weather-v0"
TASKS = [Task("oslo", "will it rain in Oslo ?", "yes"), Task("rome", "will it rain in Rome ?", "no")]


@appo_envs.tool
def weather(city: str) -> str:
    """Forecast for a city."""
    return "rain" if city == "Oslo" else "sun"


@appo_envs.tool(state=lambda task: [])
def note(notes: list[str], text: str) -> str:
    """Keeps a note."""
    notes.append(text)
    return " ".join(notes)


def plain(city: str) -> str:
    """Not a tool."""
    return city


def _register(
    env_id: str = ID, tools: Sequence[ToolMaker] = (weather,), tasks: Sequence[Task] = TASKS, max_turns: int = 8
) -> None:
    appo_envs.register_tool_env(
        env_id, tasks=tasks, tools=tools, grade=lambda answer, gold: answer == gold, max_turns=max_turns
    )


@pytest.fixture(autouse=True)
def ids() -> Iterator[None]:
    before = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


def test_a_registered_environment_is_made_and_played() -> None:
    _register()
    env = gymnasium.make(ID)
    question, _ = env.reset(options={"task": "oslo"})
    assert question == "will it rain in Oslo ?"
    assert env.step("<weather> Oslo </weather>")[0] == "<result> rain </result>"
    _, reward, terminated, _, info = env.step("<answer> \\boxed{ yes } </answer>")
    assert (reward, terminated, info["is_success"]) == (1.0, True, True)


def test_what_make_is_given_comes_before_what_was_registered() -> None:
    _register(max_turns=5)
    assert gymnasium.make(ID).get_wrapper_attr("max_turns") == 5
    env = gymnasium.make(ID, max_turns=2, tasks=TASKS[1:], render_mode="ansi")
    assert env.get_wrapper_attr("max_turns") == 2 and env.render_mode == "ansi"
    assert env.reset()[1]["task"] == "rome"
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_turn'"):
        gymnasium.make(ID, max_turn=2)


def test_it_forks() -> None:
    _register(tools=[weather, CountTool])
    actions = [
        "<weather> Oslo </weather>",
        "<count> 2 </count>",
        "<count> 3 </count>",
        "<answer> \\boxed{ yes } </answer>",
    ]
    appo_envs.check_fork(gymnasium.make(ID), actions)


def test_tasks_may_be_a_source_lists_or_a_generator() -> None:
    for tasks in (SOURCE, {"train": TASKS, "test": [Task("x", "y", "z")]}, iter(TASKS)):
        appo_envs.register_tool_env(ID, tasks=tasks, tools=[weather], grade=exact_match)
        assert gymnasium.make(ID).reset(seed=0)[1]["task"] == gymnasium.make(ID).reset(seed=0)[1]["task"]
        gymnasium.registry.pop(ID)


def test_a_function_of_tools_is_called_for_each_environment() -> None:
    calls: list[int] = []

    def tools() -> list[ToolMaker]:
        calls.append(1)
        return [weather]

    appo_envs.register_tool_env(ID, tasks=TASKS, tools=tools, grade=exact_match)
    assert calls == []
    gymnasium.make(ID)
    gymnasium.make(ID)
    assert len(calls) == 2


def test_a_function_of_tools_is_called_for_each_fork() -> None:
    counters: list[CountTool] = []

    def tools() -> list[ToolMaker]:
        counters.append(CountTool())
        # The same object each time: two environments with the tools of one call would count together.
        return [lambda counter=counters[-1]: counter, note]

    appo_envs.register_tool_env(ID, tasks=TASKS, tools=tools, grade=exact_match)
    env = gymnasium.make(ID, max_turns=9)
    env.reset(seed=0)
    for action in ("<count> 2 </count>", "<note> milk </note>"):
        env.step(action)
    (fork,) = appo_envs.fork(env, 1)
    (second,) = appo_envs.fork(fork, 1)
    assert len(counters) == 3 and second.get_wrapper_attr("max_turns") == 9
    assert env.step("<count> 5 </count>")[0] == "<result> 7 </result>"
    assert second.step("<count> 1 </count>")[0] == "<result> 3 </result>"
    assert second.step("<note> tea </note>")[0] == "<result> milk tea </result>"
    assert fork.step("<note> salt </note>")[0] == "<result> milk salt </result>"


def test_an_id_is_registered_once() -> None:
    _register()
    with pytest.raises(ValueError, match=r"'tests/Weather-v0' is taken; .*gymnasium\.registry\.pop"):
        _register()
    with pytest.raises(ValueError, match="is taken"):
        _register("appo/KnowledgeQA-v0")
    with pytest.raises(ValueError, match="'tests/Weather' cannot be registered: .*v0"):
        _register("tests/Weather")


@pytest.mark.parametrize("env_id", ["", "my weather", "a/b/c-v0", "my:Weather-v0", "/Weather-v0"])
def test_a_malformed_id_is_refused(env_id: str) -> None:
    with pytest.raises(ValueError, match="my/Weather-v0"):
        _register(env_id)
    assert env_id not in gymnasium.registry


def test_mistakes_are_found_when_registering() -> None:
    with pytest.raises(ValueError, match="at least one tool"):
        _register(tools=[])
    with pytest.raises(ValueError, match="different names"):
        _register(tools=[weather, weather])
    with pytest.raises(TypeError, match="the function 'plain' takes city; make a tool of it with @appo_envs.tool"):
        _register(tools=[plain])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="given as what makes it"):
        _register(tools=[CountTool()])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"got the one tool .*; write \[weather\]"):
        _register(tools=weather)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"got the one tool .*; write \[CountTool\]"):
        _register(tools=CountTool)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="grade must be a function .*, got 'exact_match'"):
        appo_envs.register_tool_env(ID, tasks=TASKS, tools=[weather], grade="exact_match")  # pyright: ignore
    with pytest.raises(TypeError, match="expected a task source, a list of tasks or a text for tasks, got 5"):
        _register(tasks=5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="has no tasks"):
        _register(tasks=[])
    with pytest.raises(ValueError, match="expected hub:OWNER/NAME or the path of a .jsonl file for tasks, got 'gsm8k'"):
        _register(tasks="gsm8k")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="max_turns must be at least 1"):
        _register(max_turns=0)
    assert ID not in gymnasium.registry


def test_a_tool_whose_name_is_no_word_or_not_that_of_its_schema_is_refused() -> None:
    class Loud(CountTool):
        name = "Count!"

    with pytest.raises(ValueError, match="the tool 'Count!' is named 'count' in its schema"):
        _register(tools=[Loud])

    class Louder(Loud):
        schema = tool_schema("Count!", "adds up.", argument="number", argument_description="an integer")

    with pytest.raises(ValueError, match="'Count!' cannot be a tag"):
        _register(tools=[Louder])


def test_a_grade_is_a_number_or_a_bool() -> None:
    assert CheckedGrade(lambda answer, gold: answer == gold)("a", "a") == 1.0
    assert CheckedGrade(lambda answer, gold: 0.25)("a", "b") == 0.25
    for wrong in (2, -0.5, float("nan"), None):
        grader = CheckedGrade(lambda answer, gold: wrong)  # noqa: B023  # pyright: ignore
        with pytest.raises(ValueError, match=r"must be a number in \[0, 1\] or a bool"):
            grader("a", "b")


def test_an_environment_is_made_of_its_parts_without_an_id() -> None:
    env = declared_env(tasks=TASKS, tools=[weather], grade=exact_match)
    assert env.tool_schemas[0]["function"]["name"] == "weather" and env.stop_strings == ("</weather>", "</answer>")
