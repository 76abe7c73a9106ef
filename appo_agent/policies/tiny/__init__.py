"""The bundled policy: a small Qwen2 with a word-level tokenizer and its own batched sampler."""
