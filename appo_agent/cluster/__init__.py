"""Past one process: a sharded learner and workers that run episodes. Nothing outside this folder knows Ray."""
