"""What is held in memory at a time, and the most that ever was, in numbers of float32."""


class Ledger:
    """Counts what is taken and dropped."""

    def __init__(self, held: float = 0.0) -> None:
        """Begin with so many held."""
        self.held = held
        self.peak = held

    def take(self, *sizes: float) -> None:
        """New tensors."""
        self.held += sum(sizes)
        self.peak = max(self.peak, self.held)

    def drop(self, *sizes: float) -> None:
        """Tensors that nothing refers to any more."""
        self.held -= sum(sizes)

    def touch(self, *sizes: float) -> None:
        """New tensors that are dropped at once."""
        self.take(*sizes)
        self.drop(*sizes)
