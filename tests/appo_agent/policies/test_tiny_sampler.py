"""The tiny sampler: right log-probs, noise that depends on the request alone, a cache that never lies."""

import numpy as np
import pytest
import torch

from appo_agent.algorithms.logprobs import token_scores
from appo_agent.policies.base import GenerationRequest, StaleWeightsError
from appo_agent.policies.noise import uniform_noise
from appo_agent.policies.tiny.model import TinyConfig, TinyModel
from appo_agent.policies.tiny.sampler import TinySampler
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.types import Generation

TOKENIZER = WordTokenizer.from_vocabulary([f"w{i}" for i in range(60)] + ["</search>", "</answer>"])
STOP = ("</search>", "</answer>")


def model(seed: int = 0) -> TinyModel:
    return TinyModel(TinyConfig(), len(TOKENIZER), torch.Generator().manual_seed(seed))


def sampler(policy: TinyModel, version: int = 0) -> TinySampler:
    made = TinySampler(policy.config, TOKENIZER)
    made.set_weights(version, policy.state_dict())
    return made


def request(
    name: str, prompt: list[int] | np.ndarray, seed: int, version: int = 0, limit: int = 24
) -> GenerationRequest:
    return GenerationRequest(name, np.array(prompt, np.int64), seed, limit, 1.0, STOP, version)


def generate(policy: TinySampler, requests: list[GenerationRequest]) -> dict[str, Generation]:
    policy.submit(requests)
    results: dict[str, Generation] = {}
    while len(results) < len(requests):
        results |= {done.request_id: done.generation for done in policy.completed()}
    return results


def learner_logprobs(
    policy: TinyModel, prompt: np.ndarray, generation: Generation, temperature: float = 1.0
) -> torch.Tensor:
    ids = torch.from_numpy(np.concatenate([prompt, generation.span.token_ids]))[None]
    with torch.no_grad():
        scores = token_scores(policy.project(policy.hidden_states(ids)), ids, temperature=temperature)
    return scores.logprobs[0, len(prompt) :]


def some_requests(count: int = 20) -> list[GenerationRequest]:
    rng = np.random.default_rng(0)
    return [request(f"r{i}", rng.integers(1, 60, 4 + i % 5), seed=i, limit=3 + i % 20) for i in range(count)]


def test_sampler_logprobs_equal_the_learners() -> None:
    policy = model()
    requests = some_requests()
    for name, generation in generate(sampler(policy), requests).items():
        prompt = requests[int(name[1:])].prompt_token_ids
        reported = torch.from_numpy(np.array(generation.span.behavior_logprobs))
        torch.testing.assert_close(reported, learner_logprobs(policy, prompt, generation), atol=1e-4, rtol=0)


def test_logprobs_are_those_of_the_temperature_that_drew() -> None:
    policy = model()
    prompt = np.arange(1, 7)
    generation = generate(sampler(policy), [GenerationRequest("a", prompt, 5, 20, 0.5, STOP, 0)])["a"]
    expected = learner_logprobs(policy, prompt, generation, temperature=0.5)
    torch.testing.assert_close(
        torch.from_numpy(np.array(generation.span.behavior_logprobs)), expected, atol=1e-4, rtol=0
    )


def test_a_request_draws_the_same_tokens_whatever_is_in_the_batch() -> None:
    policy = model()
    together = generate(sampler(policy), some_requests())
    for wanted in some_requests():
        alone = generate(sampler(policy), [wanted])[wanted.id]
        np.testing.assert_array_equal(alone.span.token_ids, together[wanted.id].span.token_ids)


def test_tokens_stop_at_a_stop_word_eos_or_the_limit() -> None:
    stops = {TOKENIZER.token_id(stop): "stop" for stop in STOP} | {TOKENIZER.eos_token_id: "eos"}
    requests = [request(f"r{i}", [1, 2, 3], seed=i, limit=40) for i in range(60)]
    results = generate(sampler(model()), requests)
    for generation in results.values():
        ids = generation.span.token_ids.tolist()
        assert not set(ids[:-1]) & set(stops)
        assert generation.stop_reason == stops.get(ids[-1], "length")
        assert generation.stop_reason != "length" or len(ids) == 40
    assert {generation.stop_reason for generation in results.values()} == {"stop", "eos", "length"}


def continued(first: Generation, prompt: np.ndarray) -> np.ndarray:
    return np.concatenate([prompt, first.span.token_ids, [7, 8, 9]])


def test_a_fresh_prompt_reuses_nothing_and_equal_prompts_share_one_prefill() -> None:
    results = generate(sampler(model()), [request("a", [1, 2, 3], 0), request("b", [1, 2, 3], 1), request("c", [4], 2)])
    assert sorted(generation.cached_tokens for generation in results.values()) == [0, 0, 3]


def test_a_continued_turn_computes_only_what_is_new() -> None:
    policy = model()
    made = sampler(policy)
    prompts = {r.id: r.prompt_token_ids for r in some_requests()}
    first = generate(made, some_requests())
    followers = [request(name, continued(first[name], prompts[name]), seed=99) for name in reversed(sorted(first))]
    second = generate(made, followers)
    for follower in followers:
        prompt, generation = follower.prompt_token_ids, second[follower.id]
        assert generation.cached_tokens == len(prompt) - 4  # the last drawn token and three of the result
        fresh = generate(sampler(policy), [follower])[follower.id]
        np.testing.assert_array_equal(generation.span.token_ids, fresh.span.token_ids)
        torch.testing.assert_close(
            torch.from_numpy(np.array(generation.span.behavior_logprobs)),
            learner_logprobs(policy, prompt, generation),
            atol=1e-4,
            rtol=0,
        )


def test_branches_of_a_rollout_share_one_prefill_under_the_current_weights() -> None:
    policy = model(seed=4)
    made = sampler(model(seed=0), version=0)
    path = continued(generate(made, [request("a", [1, 2, 3], 0)])["a"], np.array([1, 2, 3]))
    made.set_weights(1, policy.state_dict())
    branches = [request(f"b{cut}", path[:cut], seed=cut, version=1) for cut in (2, len(path) - 1, 4)]
    results = generate(made, branches)
    computed = [name for name, generation in results.items() if generation.cached_tokens == 0]
    assert computed == [f"b{len(path) - 1}"]
    for branch in branches:
        torch.testing.assert_close(
            torch.from_numpy(np.array(results[branch.id].span.behavior_logprobs)),
            learner_logprobs(policy, branch.prompt_token_ids, results[branch.id]),
            atol=1e-4,
            rtol=0,
        )


def test_nothing_computed_under_old_weights_is_ever_reused() -> None:
    old, new = model(seed=0), model(seed=1)
    made = sampler(old, version=0)
    prompt = np.array([1, 2, 3])
    path = continued(generate(made, [request("a", prompt, 0)])["a"], prompt)
    made.set_weights(1, new.state_dict())
    generation = generate(made, [request("b", path, seed=5, version=1)])["b"]
    assert generation.cached_tokens == 0 and generation.policy_version == 1
    expected = generate(sampler(new), [request("b", path, seed=5)])["b"]
    np.testing.assert_array_equal(generation.span.token_ids, expected.span.token_ids)


def test_weights_given_away_are_copied() -> None:
    policy = model()
    made = sampler(policy)
    before = generate(made, [request("a", [1, 2], 3)])["a"]
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(1.0)
    after = generate(made, [request("a", [1, 2], 3)])["a"]
    np.testing.assert_array_equal(before.span.token_ids, after.span.token_ids)


def test_requests_for_other_weights_and_impossible_ones_are_refused() -> None:
    made = sampler(model())
    with pytest.raises(StaleWeightsError, match="wants weights 7, the sampler holds 0"):
        made.submit([request("a", [1], 0, version=7)])
    with pytest.raises(ValueError, match="positions, the context has 512"):
        made.submit([request("a", [1] * 510, 0)])
    made.submit([request("a", [1], 0)])
    with pytest.raises(ValueError, match="already under way"):
        made.submit([request("a", [1], 0)])
    with pytest.raises(StaleWeightsError, match="1 requests wait"):
        made.set_weights(1, model().state_dict())


def test_more_requests_than_a_wave_holds_are_all_answered() -> None:
    policy = model()
    made = TinySampler(policy.config, TOKENIZER, max_batch=3)
    made.set_weights(0, policy.state_dict())
    assert set(generate(made, some_requests(10))) == {f"r{i}" for i in range(10)}
    assert made.completed() == []


def test_noise_depends_on_seed_and_place_alone_and_is_uniform() -> None:
    noise = uniform_noise([3, 4], 50_000)
    np.testing.assert_array_equal(noise[1], uniform_noise([4], 50_000)[0])
    np.testing.assert_array_equal(noise[:, :10], uniform_noise([3, 4], 10))
    assert noise.min() >= 0 and noise.max() < 1
    assert abs(noise.mean() - 0.5) < 0.005 and abs(np.corrcoef(noise)[0, 1]) < 0.02
    # SplitMix64 from state 1234567: the first output of the reference implementation is 6457827717110365317.
    assert uniform_noise([1234567], 1)[0, 0] == (6457827717110365317 >> 11) * 2.0**-53


@pytest.mark.parametrize("length", range(28, 37))
def test_a_row_that_ends_where_its_room_does_keeps_its_last_key(length: int) -> None:
    """The first request ends at once and rides along with three others that do not make the cache grow."""
    policy = model()
    drawing = sampler(policy)
    rng = np.random.default_rng(length)
    prompt = rng.integers(1, 60, length)
    others = [request(f"b{i}", rng.integers(1, 60, 5), seed=i, limit=8) for i in range(3)]
    first = generate(drawing, [request("a", prompt, seed=9, limit=1), *others])["a"]
    longer = np.concatenate([prompt, first.span.token_ids, rng.integers(1, 60, 3)])
    second = generate(drawing, [request("a", longer, seed=4)])["a"]
    assert second.cached_tokens == length
    reported = torch.from_numpy(np.array(second.span.behavior_logprobs))
    torch.testing.assert_close(reported, learner_logprobs(policy, longer, second), atol=1e-4, rtol=0)
