"""The program that the trainer executes: `python launch.py <control descriptor>`.

It loads this folder as the package `sandbox`, without the packages above it, which would import half the
trainer.
"""

import importlib
import pathlib
import sys

if __name__ == "__main__":
    folder = pathlib.Path(__file__).resolve().parent
    sys.path.insert(0, str(folder.parent))
    stub = importlib.import_module(f"{folder.name}.stub")
    sys.path.remove(str(folder.parent))
    stub.main(int(sys.argv[1]))
