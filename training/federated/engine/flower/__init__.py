"""Flower carries orders and replies: simulated by Ray on one machine, or between real ones."""
