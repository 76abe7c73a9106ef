"""Scores of answers: plain functions of (answer, gold) in [0, 1]."""

from appo_envs.grading.base import Grader
from appo_envs.grading.mathematics import math_equal
from appo_envs.grading.text import exact_match, f1

__all__ = ["Grader", "exact_match", "f1", "math_equal"]
