"""The code in the guide runs and prints what its comments say."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

_GUIDE = pathlib.Path(__file__).parents[4] / "docs" / "python_session.md"


def test_code_in_the_guide_prints_what_it_says():
    (code,) = re.findall(r"```python\n(.*?)```", _GUIDE.read_text(), re.DOTALL)
    promised = re.findall(r"print\(.*\)\s+# (.*)", code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == promised == ["-sqrt(2)", "1", "2"]
