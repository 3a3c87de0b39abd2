"""The exact joint search: all applications at once, with a proof."""

from oracle.joint.search import BUDGET, TOLERANCE_K, JointSearch
from oracle.joint.solution import Miss, Solution

__all__ = ["BUDGET", "TOLERANCE_K", "JointSearch", "Miss", "Solution"]
