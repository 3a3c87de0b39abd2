"""How many parameters a transformer has, and how many of them are trained."""

from training.federated.cost.linear import layer_linears
from training.federated.cost.work import Work


def embedding_parameters(work: Work) -> int:
    """Word, position and type embeddings with their layer norm."""
    shape = work.shape
    return (shape.vocabulary + shape.positions + shape.types + 2) * shape.hidden


def layer_parameters(work: Work) -> int:
    """One encoder layer without adapters: its linear maps and two layer norms."""
    return sum(linear.parameters for linear in layer_linears(work)) + 2 * norm_parameters(work)


def norm_parameters(work: Work) -> int:
    """A layer norm's weights and biases."""
    return 2 * work.shape.hidden


def top_parameters(work: Work) -> int:
    """Pooler and head, which are always trained."""
    hidden = work.shape.hidden
    return (hidden + 1) * hidden + (hidden + 1) * work.shape.classes


def adapter_parameters(work: Work) -> int:
    """LoRA factors of all trained layers; 0 where the layers themselves are trained."""
    return sum(
        linear.lora_parameters(rank)
        for rank in work.suffix.ranks or ()
        for linear in layer_linears(work)
    )


def all_parameters(work: Work) -> int:
    """Everything that must be in memory, adapters included."""
    layers = work.shape.layers * layer_parameters(work)
    return embedding_parameters(work) + layers + adapter_parameters(work) + top_parameters(work)


def trained_parameters(work: Work) -> int:
    """What the step changes."""
    trained = top_parameters(work) + adapter_parameters(work)
    if work.suffix.ranks is None:
        trained += work.depth * layer_parameters(work)
    if work.suffix.embeddings:
        trained += embedding_parameters(work)
    return trained


def largest_trained_tensor(work: Work) -> int:
    """The numbers in the largest array that the step changes."""
    sizes = [work.shape.hidden**2]
    for linear in layer_linears(work):
        if work.suffix.ranks is None and work.depth:
            sizes.append(linear.inputs * linear.outputs)
        for rank in work.suffix.ranks or ():
            sizes += [linear.inputs * rank, linear.outputs * rank]
    if work.suffix.embeddings:
        sizes.append(max(work.shape.vocabulary, work.shape.positions) * work.shape.hidden)
    return max(sizes)
