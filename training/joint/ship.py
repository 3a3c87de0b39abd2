"""Write a trained network as a policy file of `ilgov`, with a report beside it."""

from pathlib import Path

import msgspec
import numpy as np

from platforms.atomic_file import replacing
from rm.mapping.rows import OUTPUTS, table
from traces.schema import board_digest
from training.imitation.dataset import Task as ExportTask
from training.imitation.export import Exported, export
from training.imitation.fit import network_of
from training.joint.options import JointOptions
from training.joint.pipeline import Task, Trained


def write(trained: Trained, task: Task, options: JointOptions, out: Path) -> Exported:
    """The policy file at `out`, and ``out.training.json``; parity is proven on validation rows."""
    rows = np.concatenate([entry.features for entry in trained.validation]).astype(np.float64)
    exported = export(
        network_of(trained.fitted.weights),
        path=out,
        task=export_task(trained, task, options),
        seed=options.seed,
        features=rows,
    )
    with replacing(report_path(out)) as temporary:
        text = msgspec.json.format(report(trained, task, options), indent=2)
        temporary.write_bytes(text + b"\n")
    return exported


def report_path(out: Path) -> Path:
    """Where the report of the policy `out` stands."""
    return out.with_name(f"{out.stem}.training.json")


def export_task(trained: Trained, task: Task, options: JointOptions) -> ExportTask:
    """What the policy file says that it is for."""
    return ExportTask(
        board=task.board.name,
        board_sha256=board_digest(task.board),
        cooling=task.cooling,
        oracle={
            "question": options.question,
            "labels": options.labels,
            "stall_aware": int(options.stall_aware),
            "objective": "peak",
            "alpha_per_k": options.alpha_per_k,
        },
        features=table(task.board),
        outputs=OUTPUTS,
        constants=trained.priors.constants(task.board),
    )


def report(trained: Trained, task: Task, options: JointOptions) -> bytes:
    """Everything that was set and measured, as JSON; no times, so that it repeats."""
    return msgspec.json.encode(
        {
            "board": task.board.name,
            "cooling": task.cooling,
            "training_applications": [profile.name for profile in task.known],
            "validation_applications": [profile.name for profile in task.held_out],
            "options": options,
            "priors": trained.priors,
            "training_lists": trained.training_lists,
            "rounds": [
                {
                    "best_epoch": fitted.best_epoch,
                    "epochs": fitted.epochs,
                    "validation_loss": fitted.validation_loss,
                    "mean_excess_k": fitted.quality.mean_excess_k,
                    "within_1_k_share": fitted.quality.within_share,
                    "validation_lists": fitted.quality.lists,
                }
                for fitted in trained.rounds
            ],
        }
    )
