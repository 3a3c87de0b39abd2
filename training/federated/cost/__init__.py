"""What training costs: FLOPs, memory and bytes as functions of model, suffix, batch and pruning."""
