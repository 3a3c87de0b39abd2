"""What a board is, and how to touch one.

`board` and `application` are the typed descriptions, `platform` is the protocol that the simulated
and the real board implement, `simulated` is the board that runs anywhere.
"""
