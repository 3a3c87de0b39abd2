"""The systems, a folder each: server, client, equations, and the study that measures them."""
