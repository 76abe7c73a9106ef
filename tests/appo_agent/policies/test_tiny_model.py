"""The tiny model is a Qwen2 that transformers loads unchanged."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from appo_agent.policies.tiny.model import TinyConfig, TinyModel
from appo_agent.policies.tiny.tokenizer import WordTokenizer

WORDS = [f"w{i}" for i in range(40)] + ["</search>", "</answer>"]


def saved_policy(folder: Path) -> tuple[TinyModel, WordTokenizer]:
    tokenizer = WordTokenizer.from_vocabulary(WORDS)
    model = TinyModel(TinyConfig(), len(tokenizer), torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "norm.weight", "layernorm.weight")):
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    model.save(folder)
    tokenizer.save(folder)
    return model, tokenizer


def test_transformers_loads_the_folder_and_computes_the_same_logits(tmp_path: Path) -> None:
    model, _ = saved_policy(tmp_path)
    reference = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(reference).__name__ == "Qwen2ForCausalLM"
    token_ids = torch.randint(0, model.vocabulary, (3, 60), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = model.project(model.hidden_states(token_ids))
        theirs = reference(token_ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_transformers_loads_the_tokenizer_and_gives_the_same_ids(tmp_path: Path) -> None:
    _, tokenizer = saved_policy(tmp_path)
    reference = AutoTokenizer.from_pretrained(tmp_path)
    text = "w1 </search> unheard w39"
    assert reference.encode(text, add_special_tokens=False) == tokenizer.encode(text)
    assert reference.eos_token_id == tokenizer.eos_token_id
    messages = [{"role": "system", "content": "w5"}, {"role": "user", "content": "w1 w2"}]
    rendered = reference.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert rendered == tokenizer.prompt(messages)


def test_a_saved_model_loads_back_exactly(tmp_path: Path) -> None:
    model, _ = saved_policy(tmp_path)
    again = TinyModel.load(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_same_generator_seed_gives_the_same_weights() -> None:
    first, second = (TinyModel(TinyConfig(), 50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_words_cannot_smuggle_special_ids_in() -> None:
    tokenizer = WordTokenizer.from_vocabulary(WORDS)
    special = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    for text in ("<eos>", "w1 <eos> w2", "<pad>", "w1<eos>", "<eos><eos>"):
        assert not special & set(tokenizer.encode(text)), text
