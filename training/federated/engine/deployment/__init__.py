"""Flower's SuperLink and SuperNodes as processes: keys, command lines, starting and stopping."""
