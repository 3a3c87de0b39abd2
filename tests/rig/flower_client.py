"""The device's side of the rig's federation: a ClientApp that trains as the daemon grants."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from tests.rig.training_model import Descent, examples, tiny_transformer, train_a_batch
from training.federated.governed_mod import governed
from training.federated.pace import new_pace

app = ClientApp()
"""What the SuperNode runs."""


@app.train()
def train(message: Message, context: Context) -> Message:
    """As many steps as are ordered, from the parameters that were sent (none: the first ones)."""
    told = message.content.config_records["told"]
    (x, y), model = examples(), tiny_transformer()
    if "arrays" in message.content.array_records:
        model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    optimiser = Descent(model.parameters())
    pace = new_pace()
    with governed(message, context.node_config) as device:
        pace = new_pace()
        steps, batch, seed = (int(str(told[name])) for name in ("steps", "batch", "round"))
        for rows in pace.batches(model, optimiser, len(x), batch=batch, steps=steps, seed=seed):
            pace.step(train_a_batch(model, optimiser, x[rows], y[rows]), len(rows))
    metrics = {"loss": pace.loss_sum / max(pace.steps, 1), "samples": float(pace.samples)}
    said = device.said if device is not None else {}
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({**metrics, **said}),
        }
    )
    return Message(content, reply_to=message)
