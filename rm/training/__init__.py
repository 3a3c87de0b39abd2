"""Training jobs beside the applications: their state, the heat they make, and who runs them."""
