"""Handwritten digits that come with scikit-learn: 1,797 of 8 x 8 pixels, 10 classes."""

import numpy as np

from training.federated.dice import dice
from training.federated.tasks.task import Examples, Pool

_VALIDATION = 200
_TEST = 397


def digits() -> Pool:
    """Pixels from 0 to 1 as 64 features; train, validation and test are always the same."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = (pixels / 16).astype(np.float32)
    y = labels.astype(np.int64)
    rows = dice(0, "digits").permutation(len(y))
    validation, test, train = np.split(rows, [_VALIDATION, _VALIDATION + _TEST])
    return Pool(
        classes=10,
        tokens=0,
        train=Examples(x=x[train], y=y[train]),
        validation=Examples(x=x[validation], y=y[validation]),
        test=Examples(x=x[test], y=y[test]),
        model="",
    )
