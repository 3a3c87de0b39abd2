"""A PyTorch loop that ilgov governs: python examples/governed_training.py CAPABILITY [SOCKET].

CAPABILITY is what 'ilgov federated profile' wrote (docs/training-jobs.md). The loop runs just as
well where no daemon does.
"""
# ruff: noqa: INP001, T201 -- a script: nobody imports it, and it prints what it found

import sys

import torch
from torch.nn.functional import cross_entropy

from training.federated.governed import Governed

capability, socket = [*sys.argv[1:], "/run/ilgov/socket"][:2]
x, y = torch.randn(4000, 32), torch.randint(0, 4, (4000,))
model = torch.nn.Sequential(torch.nn.Linear(32, 256), torch.nn.ReLU(), torch.nn.Linear(256, 4))
optimiser = torch.optim.SGD(model.parameters(), lr=0.05)

with Governed(capability, model, optimiser, checkpoint="example.pt", socket_path=socket) as job:
    while job.round < 3:
        for rows in job.batches(len(x), samples=10_000, deadline_s=20.0):
            optimiser.zero_grad()
            loss = cross_entropy(model(x[rows]), y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            job.step(loss.item())
        print(f"round {job.round}: {job.progress.steps} steps, {job.grant.knobs}, {job.outlook}")
