"""What keeps a session inside: one module a kernel feature; `probe` finds those that work."""
