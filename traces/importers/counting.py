"""Number equal things as they come, over many batches."""

import numpy as np
import pyarrow as pa


class Repeats:
    """Tells of each key how often it came before. Memory grows with the number of distinct keys."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._seen: dict[str, int] = {}

    def count(self, keys: pa.Array) -> np.ndarray:
        """Per key how often it came before, in this and in earlier calls.

        >>> Repeats().count(pa.array(["a", "b", "a"])).tolist()
        [0, 0, 1]
        """
        encoded = keys.dictionary_encode()
        index = encoded.indices.to_numpy()
        names = encoded.dictionary.to_pylist()
        order = np.argsort(index, kind="stable")
        counts = np.bincount(index, minlength=len(names))
        starts = np.cumsum(counts) - counts
        within = np.empty(len(index), np.int64)
        within[order] = np.arange(len(index)) - starts[index[order]]
        before = np.array([self._seen.get(name, 0) for name in names], np.int64)
        for name, count in zip(names, counts.tolist(), strict=True):
            self._seen[name] = self._seen.get(name, 0) + count
        repeats: np.ndarray = within + before[index] if len(names) else within
        return repeats
