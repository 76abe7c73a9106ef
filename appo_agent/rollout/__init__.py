"""Environments and a sampler to rollout trees. No torch."""
