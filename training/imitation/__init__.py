"""From demonstrations to a policy.

Read and split (`dataset`), fit (`network`, `fit`, `seeds`), judge (`quality`), write (`export`);
`train` does all of it, and `command` is ``ilgov train``.
"""
