"""The training job of an episode: what it declares, and what its steps truly ask for."""

import msgspec
import numpy as np

from platforms.training_work import TrainingWork


def varied_works(
    works: tuple[TrainingWork, ...], rng: np.random.Generator, *, share: float
) -> tuple[TrainingWork, ...]:
    """The works with FLOPs, kernels and memory traffic each scaled by up to +-`share`.

    Each by one factor for all settings, as one program has one error: what `varied` does to the
    profile of an application, which knows cpi and stalls only.
    """
    compute, dispatch, memory = (1.0 + share * rng.uniform(-1.0, 1.0) for _ in range(3))
    return tuple(
        msgspec.structs.replace(
            work,
            flops=work.flops * compute,
            kernels=max(1, round(work.kernels * dispatch)),
            sample_bytes=work.sample_bytes * memory,
            step_bytes=work.step_bytes * memory,
        )
        for work in works
    )
