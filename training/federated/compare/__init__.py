"""Compare systems and their baselines: tuned alike, over several seeds, under three protocols."""
