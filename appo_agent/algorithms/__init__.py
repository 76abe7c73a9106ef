"""The algorithms: pure tensor functions, and one short file an algorithm.

An algorithm is a rollout plan, an advantage and a loss; the trainer reads them and has no other knowledge of it.
"""
