"""Gymnasium environments for tool-using language models, forkable at any turn."""
