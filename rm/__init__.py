"""The resource manager: features, policies, the governor's loops, and the comparison of policies.

What the daemon loads stays small: outside `rm.evaluation` nothing here imports pyarrow, scipy,
pandas or torch, and importing `rm` itself imports nothing at all.
"""
