"""One device under a power cap: how near the planner comes to the exhaustive optimum, and gains."""
