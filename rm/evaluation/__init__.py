"""Compare policies on the simulated board: workloads, episodes, figures, results."""
