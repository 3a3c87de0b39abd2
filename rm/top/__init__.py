"""``ilgov top``: a live view of the running daemon. What is shown knows no terminal library."""
