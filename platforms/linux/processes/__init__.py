"""Processes, their threads and control groups: who there is, who is busy, who sits where."""
