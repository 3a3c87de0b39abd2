"""What CAFF and LEGEND share: every device trains a suffix of one model, as deep as is planned.

A planner says who trains which suffix (`planner`), `server` sends it what it needs and averages
layer by layer what comes back, `client` trains it, `readings` reads a study's curves.
"""
