"""What an owner sets, and every mistake in it."""
