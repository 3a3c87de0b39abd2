"""Training jobs held to what they were granted: by control groups, else by masks and signals."""
