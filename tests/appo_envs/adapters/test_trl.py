"""TRL's GRPOTrainer on our environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

import appo_envs
from appo_envs.adapters.trl import OVER, TrlEnvironments
from appo_envs.dialects.registry import dialect_names
from appo_envs.tasks.relations import RELATION_OF
from appo_envs.tools.base import tool_schema
from tests.appo_agent.policies.little_models import little_model, little_tokenizer
from tests.appo_envs.toy import CountTool, nested

KNOWLEDGE = "appo/KnowledgeQA-v0"


def test_rows_are_conversations_with_the_task_beside() -> None:
    rows = TrlEnvironments(KNOWLEDGE, hops=1).as_dataset(5)
    assert rows.column_names == ["prompt", "task"] and len(set(rows["task"])) == 5
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]
    with pytest.raises(ValueError, match=r"size must be in \[1, "):
        TrlEnvironments(KNOWLEDGE).as_dataset(0)


def test_methods_are_the_tools_and_the_last_message_is_the_answer() -> None:
    games = TrlEnvironments(KNOWLEDGE, hops=1)
    row = games.as_dataset(1)[0]
    env: Any = games.environment_factory()
    env.reset(**row)
    verb, *entity = row["prompt"][1]["content"].removesuffix(" ?").split()
    entity = " ".join(entity)
    fact = env.search(query=f"{RELATION_OF[verb]} {entity}")
    assert fact.startswith(entity)
    answer = " ".join(fact.split()[-2:])
    said = [{"role": "assistant", "content": f"It is \\boxed{{{answer}}}."}]
    assert games.reward([said], [env]) == [1.0]
    assert games.reward([said], [env]) == [1.0], "asked again, the episode is still over"
    env.reset(**row)
    assert games.reward([[{"role": "assistant", "content": answer}]], [env]) == [-1.0], "an answer has a box"
    env.reset(**row)
    assert games.reward(["\\boxed{nobody}"], [env]) == [0.0]


@pytest.mark.parametrize("dialect", dialect_names())
def test_a_last_message_without_a_box_is_a_format_error_in_every_dialect(dialect: str) -> None:
    games = TrlEnvironments(KNOWLEDGE, hops=1, dialect=dialect)
    env: Any = games.environment_factory()
    env.reset(task="train/0/0")
    assert games.reward([[{"role": "assistant", "content": "no idea"}]], [env]) == [-1.0]
    assert env.search(query="director Ba Bar") == OVER


def test_arguments_that_are_nested_too_deeply_are_an_error_for_the_model() -> None:
    games = TrlEnvironments(KNOWLEDGE, hops=1)
    env: Any = games.environment_factory()
    env.reset(task="train/0/0")
    assert env.search(query=nested(3000)) == "error : the arguments are nested too deeply ; write simpler ones"
    assert not env.search(query="director Ba Bar").startswith("error")


def test_limits_end_the_episode() -> None:
    games = TrlEnvironments(KNOWLEDGE, hops=1, max_turns=2)
    env: Any = games.environment_factory()
    env.reset(**games.as_dataset(1)[0])
    assert env.search(query="director Ba Bar") != OVER
    assert env.search(query="director Ba Bar") == OVER == env.search(query="director Ba Bar")
    assert games.reward([[{"role": "assistant", "content": "\\boxed{x}"}]], [env]) == [-1.0]


@appo_envs.tool
def ask(x: str) -> str:
    """Ask a service that may be down."""
    if x == "down":
        raise appo_envs.EnvError("the service is down")
    return "up"


def _grade(answer: str, gold: str) -> bool:
    if answer == "down":
        raise appo_envs.EnvError("the grader is down")
    return answer == gold


appo_envs.register_tool_env("tests/Ask-v0", tasks=[appo_envs.Task("a", "?", "b")], tools=[ask], grade=_grade)


def test_an_episode_lost_to_a_broken_tool_has_no_reward(caplog: pytest.LogCaptureFixture) -> None:
    games = TrlEnvironments("tests/Ask-v0")
    lost, sound = games.environment_factory(), games.environment_factory()
    for env in (lost, sound):
        env.reset(task="a")
    with pytest.raises(appo_envs.EnvError, match="the service is down"):
        lost.ask(x="down")
    assert "an episode is lost and gets no reward: the service is down" in caplog.text, "TRL tells it to nobody"
    assert lost.ask(x="up") == OVER and sound.ask(x="up") == "up"
    assert games.reward(["\\boxed{b}"] * 2, [lost, sound]) == [None, 1.0]
    assert games.reward(["\\boxed{b}"] * 2, [lost, sound]) == [None, 1.0], "asked again, it is still lost"
    lost.reset(task="a")
    assert lost.ask(x="up") == "up" and games.reward(["\\boxed{b}"], [lost]) == [1.0]


def test_an_episode_lost_to_a_broken_grader_has_no_reward() -> None:
    games = TrlEnvironments("tests/Ask-v0")
    env = games.environment_factory()
    env.reset(task="a")
    assert games.reward(["\\boxed{down}"], [env]) == [None] == games.reward(["\\boxed{b}"], [env])


@pytest.mark.parametrize("name", ["reset", "get_reward", "_step"])
def test_a_tool_with_a_name_that_trl_does_not_offer_is_refused(name: str) -> None:
    schema = tool_schema(name, "counts.", argument="number", argument_description="an integer")
    named = type("Named", (CountTool,), {"name": name, "schema": schema})
    env_id = f"tests/Named{name}-v0"
    appo_envs.register_tool_env(
        env_id, tasks=[appo_envs.Task("a", "?", "b")], tools=[named], grade=_grade, dialect="hermes"
    )
    with pytest.raises(ValueError, match=f"{env_id} has a tool '{name}', which TRL would not offer"):
        TrlEnvironments(env_id)


def test_a_tool_may_be_named_as_any_other_word_of_the_adapter() -> None:
    answered = appo_envs.tool(name="answered")(ask.function)
    appo_envs.register_tool_env(
        "tests/Answered-v0", tasks=[appo_envs.Task("a", "?", "b")], tools=[answered], grade=_grade
    )
    games = TrlEnvironments("tests/Answered-v0")
    env = games.environment_factory()
    env.reset(task="a")
    assert env.answered(x="up") == "up" and games.reward(["\\boxed{b}"], [env]) == [1.0]


@appo_envs.tool
def forecast(city: str, days: int = 1, unit: Literal["c", "f"] = "c") -> str:
    """Forecast for a city.

    Args:
        city: its name.
        days: how many.
        unit: of temperatures.
    """
    return f"{city} {days} {unit}"


def test_typed_tools_keep_their_signature() -> None:
    pytest.importorskip("transformers")
    from transformers.utils.chat_template_utils import get_json_schema

    appo_envs.register_tool_env(
        "tests/Forecast-v0", tasks=[appo_envs.Task("a", "?", "b")], tools=[forecast], grade=lambda a, b: a == b
    )
    env: Any = TrlEnvironments("tests/Forecast-v0").environment_factory()
    env.reset(task="a")
    assert env.forecast(city="Oslo", days=2) == "Oslo 2 c"
    schema = get_json_schema(env.forecast)["function"]
    assert schema["description"] == "Forecast for a city."
    assert schema["parameters"]["required"] == ["city"]
    assert {key: value["type"] for key, value in schema["parameters"]["properties"].items()} == {
        "city": "string",
        "days": "integer",
        "unit": "string",
    }


def test_other_environments_are_refused() -> None:
    with pytest.raises(TypeError, match="CartPole-v1 makes a CartPoleEnv"):
        TrlEnvironments("CartPole-v1")


def test_grpo_trainer_trains_on_live_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl = pytest.importorskip("trl")
    from trl.chat_template_utils import qwen2_5_chat_template

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    tokenizer = little_tokenizer("qwen2")
    tokenizer.chat_template, tokenizer.padding_side = qwen2_5_chat_template, "left"
    model: Any = little_model("qwen2", tokenizer=tokenizer)
    games = TrlEnvironments(KNOWLEDGE, hops=1)
    rows = games.as_dataset(1)
    verb, *entity = rows[0]["prompt"][1]["content"].removesuffix(" ?").split()
    query = f"{RELATION_OF[verb]} {' '.join(entity)}"
    _learn_by_heart(model, tokenizer, games, rows[0]["prompt"], query)
    before = {name: value.clone() for name, value in model.named_parameters()}
    trainer = trl.GRPOTrainer(
        model=model,
        args=trl.GRPOConfig(
            output_dir=str(tmp_path),
            per_device_train_batch_size=8,
            num_generations=8,
            max_completion_length=80,
            temperature=1.0,
            learning_rate=1e-3,
            max_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            logging_steps=1,
            save_strategy="no",
            disable_tqdm=True,
        ),
        processing_class=tokenizer,
        train_dataset=rows,
        environment_factory=games.environment_factory,
        # A second reward, because a policy that knows one call by heart is worth the same in every rollout.
        reward_funcs=[games.reward, _luck],
    )
    trainer.train()
    log = trainer.state.log_history[0]
    assert log["tools/call_frequency"] > 0.3 and log["tools/failure_frequency"] < 0.5
    assert log["rewards/reward/mean"] == -1.0, "one call and no answer breaks the format"
    assert any(not torch.equal(value.cpu(), before[name]) for name, value in model.named_parameters())


def _luck(completions: list[Any], **columns: object) -> list[float]:
    return [float(place % 2) for place in range(len(completions))]


def _learn_by_heart(model: Any, tokenizer: Any, games: TrlEnvironments, prompt: list[Any], query: str) -> None:
    """Teach a random model to call the tool once, so that a trainer has something to work with."""
    env: Any = games.environment_factory()
    ids = tokenizer.apply_chat_template(
        prompt, tools=[env.search], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    call = json.dumps({"name": "search", "arguments": {"query": query}})
    target = tokenizer.encode(f"<tool_call>\n{call}\n</tool_call><|im_end|>", add_special_tokens=False)
    whole = torch.tensor([[*ids, *target]])
    labels = torch.tensor([[-100] * len(ids) + target])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loss = torch.tensor(1.0)
    for _ in range(80):
        loss = model(input_ids=whole, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
