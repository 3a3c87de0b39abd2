"""Hardware counters of processes, on boards with several kinds of cores."""
