"""The policies that come with the governor, and the registry that finds those of others."""
