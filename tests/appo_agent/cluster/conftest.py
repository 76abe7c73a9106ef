"""Every Ray of these tests asks for one token, made for them; without it Ray would write one to the home directory."""

import os
import secrets

# Ray reads both when it is imported, so a fixture would come too late.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
