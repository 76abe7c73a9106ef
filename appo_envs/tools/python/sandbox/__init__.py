"""Everything that runs on the far side of the wall, and the words both sides use.

This package is loaded twice: by the trainer as `appo_envs.tools.python.sandbox`, for the wire protocol and
the settings, and by the template process as plain `sandbox`, without the packages above it. Therefore its
modules use the standard library and relative imports only. What the trainer does with the processes lives one
level up.
"""
