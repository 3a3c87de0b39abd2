"""What training asks of a device: counted by the cost model, or measured where it runs."""
