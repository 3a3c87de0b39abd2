"""LEGEND: LoRA depth per device, ranks that rise towards the output (arXiv 2412.20004)."""
