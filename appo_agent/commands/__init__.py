"""The `appo` command line: one module a verb."""
