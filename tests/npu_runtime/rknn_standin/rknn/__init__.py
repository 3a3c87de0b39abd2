"""A stand-in, see `api`."""
