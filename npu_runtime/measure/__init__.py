"""What back ends are worth: how true their scores are, and how long they take.

`present` finds the back ends that this machine has, `parity` compares scores, `latency` measures
calls one after the other and once a period.
"""
