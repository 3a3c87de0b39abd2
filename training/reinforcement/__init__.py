"""Reinforcement learning: the Q-table that TOP-RL starts from, learnt on the simulated board."""
