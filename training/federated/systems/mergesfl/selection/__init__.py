"""Selection of workers: which of them give a merged batch like the whole, within the line."""
