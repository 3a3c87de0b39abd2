"""The exhaustive optimum of foreground and training together, on the truth."""

from oracle.training.question import Asked, Decision
from oracle.training.search import TrainingSearch

__all__ = ["Asked", "Decision", "TrainingSearch"]
