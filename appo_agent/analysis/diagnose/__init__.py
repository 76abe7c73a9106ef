"""Where decisions matter, measured by forks, and what finds them.

- `values`: estimators of Var(R | s) and of criticality from continuations
- `measure`: draws rollouts, makes a training step, continues from forks
- `rules`: how well each branching rule ranks tokens by criticality
- `gradients`: noise of the policy gradient for the tokens that it costs
- `places`: where chosen tokens fall, and which they are
- `clusters`: how different branches are
- `training_signal`: Omega against the noise floor over training
- `diagnosis`: all of it as one value; `report` and `plots` show it, `diagnosis_file` keeps it
"""
