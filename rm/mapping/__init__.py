"""Joint mappings of all applications: which there are near a given one, and what each asks for."""
