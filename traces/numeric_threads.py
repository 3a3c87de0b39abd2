"""How many threads numerical libraries use. A leaf: it has to be read before they are loaded."""

ONE_NUMERIC_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""The environment that makes numerical libraries use one thread; they read it when loaded.

Small matrices gain nothing from threads, and sums come out the same on every machine without them.
"""
