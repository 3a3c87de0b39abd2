"""A policy on an accelerator, judged by what the governor would do: decisions and temperatures.

`npu_runtime` converts policies and measures back ends; what needs a board, a policy's own logic or
the simulator is here, with the commands of ``ilgov npu``.
"""
