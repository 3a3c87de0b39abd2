"""What CAFF and LEGEND share: every device trains a suffix of one model of its own depth."""
