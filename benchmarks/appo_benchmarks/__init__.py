"""Benchmark evaluation of tool-using language models."""
