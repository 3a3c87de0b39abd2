"""Fits of a board's models to measurements: performance, power and heat."""
