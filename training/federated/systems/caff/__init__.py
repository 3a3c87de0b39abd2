"""CAFF: each device trains as many layers as its constraints allow (arXiv 2411.07826)."""
