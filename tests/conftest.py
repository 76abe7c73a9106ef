"""Settings that every test shares."""

import os
import secrets

from hypothesis import settings

# Machines that run tests are shared: how long an example takes says nothing about the code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

# Every Ray of these tests asks for one token, made for them; without it Ray would write one to the home directory.
# Ray reads both when it is imported, and importing vLLM or TRL imports it: no later place than this is early enough.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
