"""Training jobs in the daemon: who may have one, what it is told, and what is done about it."""
