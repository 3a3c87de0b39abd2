"""How much each device's reply counts."""

from collections.abc import Mapping

from training.federated.exchange import Reply


def shares(replies: Mapping[str, Reply]) -> list[float]:
    """Shares by samples, which add up to 1.

    >>> shares({"a": Reply(metrics={"samples": 30}), "b": Reply(metrics={"samples": 10})})
    [0.75, 0.25]
    """
    total = sum(reply.metrics["samples"] for reply in replies.values())
    return [reply.metrics["samples"] / total for reply in replies.values()]
