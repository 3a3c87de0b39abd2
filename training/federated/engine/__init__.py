"""Engines: what carries orders to devices and replies back."""
