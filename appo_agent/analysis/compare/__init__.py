"""Comparing algorithms under one protocol: a specification, its cells, what they found, and what follows from it.

- `spec`: which algorithms, environments, seeds and rates
- `cells`: one training run each: where it lies, what its settings are
- `cell_run`: the program that trains one cell
- `outcome`: what a cell found
- `workers`: runs cells side by side, takes up what died
- `results_dir`: the folder, and that it belongs to one specification
- `stages`: explore, pilot, confirm: in this order, each with a file of what it decided
- `verdict`: differences, intervals, tests
- `findings`: all figures as one value, and its JSON and CSV
- `report`, `plots`: the figures as Markdown and as pictures
"""
