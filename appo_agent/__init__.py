"""The bundled agent: rollouts, algorithms, policies and training."""
