"""A plain PyTorch loop under the daemon's grants.

    python3 -m tests.rig.training_loop FOLDER SAMPLES SECONDS

Rounds of so many samples, each with a deadline of so many seconds, until it is killed. FOLDER has
the capability; the training is kept and tells what happens there.
"""

import sys
from pathlib import Path

from tests.rig.training_model import Descent, examples, tiny_transformer, train_a_batch
from training.federated.governed import Governed


def main() -> None:
    """Train until killed."""
    folder, samples, deadline_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    (x, y), model = examples(), tiny_transformer()
    optimiser = Descent(model.parameters())
    with Governed(
        folder / "capability.json",
        model,
        optimiser,
        checkpoint=folder / "kept.pt",
        events=folder / "events.jsonl",
        name="tiny",
    ) as job:
        while True:
            for rows in job.batches(len(x), samples=samples, deadline_s=deadline_s):
                job.step(train_a_batch(model, optimiser, x[rows], y[rows]))


if __name__ == "__main__":
    main()
