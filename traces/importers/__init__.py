"""Measurements that others published, read from their own file formats.

`source` reads files as blocks of whole lines, `chunks` makes checked columns of them, `rows` makes
the rows of `traces.measurements`; each format has a file of its own, and `registry` knows them all.
"""
