"""The device's part of secure aggregation: Flower's SecAgg+ mod around our own messages.

Flower's mod and workflow speak the older messages of Flower (FitIns and FitRes: arrays without
names). Ours are put into them, and taken out: arrays go in the order of their names.
"""

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp.typing import ClientAppCallable
from flwr.compat.common import recorddict_compat as older
from flwr.compat.common.typing import Code, FitIns, FitRes, Parameters, Status

from training.federated.engine.flower.encode import ARRAYS, METRICS, TOLD, Unsound

PLACES = "places"
"""In the configuration: which array is which."""


def secure_mod(message: Message, context: Context, go_on: ClientAppCallable) -> Message:
    """Answers the stages of the protocol; the client itself acts in one of them."""
    from flwr.client.mod import secaggplus_mod

    def act(older_message: Message, context: Context) -> Message:
        older_message.content = _from_ins(older_message.content)
        answer = go_on(older_message, context)
        answer.content = _to_result(answer.content)
        return answer

    return secaggplus_mod(message, context, act)


def to_ins(content: RecordDict) -> FitIns:
    """An order of ours as an older one."""
    arrays = content.array_records[ARRAYS]
    config = {"json": str(content.config_records[TOLD]["json"])}
    return FitIns(_parameters(arrays), {**config, PLACES: "\n".join(arrays)})


def _from_ins(content: RecordDict) -> RecordDict:
    ins = older.recorddict_to_fitins(content, keep_input=True)
    names = str(ins.config[PLACES]).split("\n")
    tensors = older.parameters_to_arrayrecord(ins.parameters, keep_input=True)
    arrays = ArrayRecord(dict(zip(names, tensors.values(), strict=True)))
    return RecordDict({ARRAYS: arrays, TOLD: ConfigRecord({"json": str(ins.config["json"])})})


def _to_result(content: RecordDict) -> RecordDict:
    """A reply as an older one that counts once: the mean has equal weights."""
    metrics = {name: float(str(value)) for name, value in content.metric_records[METRICS].items()}
    return older.fitres_to_recorddict(
        FitRes(
            status=Status(Code.OK, ""),
            parameters=_parameters(content.array_records[ARRAYS]),
            num_examples=1,
            metrics={**metrics},
        ),
        keep_input=True,
    )


def metrics_of(result: FitRes) -> dict[str, float]:
    """The numbers beside the arrays, which are not protected."""
    found = result.metrics
    if not all(isinstance(value, int | float) for value in found.values()):
        raise Unsound("metrics must be single numbers")
    return {name: float(str(value)) for name, value in found.items()}


def _parameters(arrays: ArrayRecord) -> Parameters:
    return Parameters([array.data for array in arrays.values()], "numpy.ndarray")
