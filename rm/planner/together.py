"""Foreground and training planned together."""

from rm.planner.plans import Limits, Plan, RoundLeft

__all__ = ["Limits", "Plan", "RoundLeft"]
