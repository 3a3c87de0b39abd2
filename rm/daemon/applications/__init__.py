"""Which processes are looked after: by rules, and by clients' wish."""
