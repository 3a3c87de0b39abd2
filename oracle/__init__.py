"""The oracle: the mapping and operating points that meet every target at the lowest temperature."""
