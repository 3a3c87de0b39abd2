"""Federated training on constrained devices: published systems on common ground, run by Flower."""
