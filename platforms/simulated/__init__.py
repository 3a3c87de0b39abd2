"""A board that runs anywhere: performance, power, heat, sensors and scheduling, simulated.

It stands behind the same `platforms.platform.Platform` protocol as a real board. Temperatures that
come from here are simulated and are called so wherever they are shown.
"""
