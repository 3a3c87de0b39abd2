"""Thermal networks from a chip's geometry: HotSpot's files, and the physics of its block model."""
