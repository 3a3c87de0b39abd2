"""Train `ilgov`: a network that tells joint mappings apart as the joint oracle does."""
