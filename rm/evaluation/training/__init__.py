"""The comparison of training policies: applications and federated rounds on one board."""
