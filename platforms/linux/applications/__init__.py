"""The rates of applications, from counters and heartbeats."""
