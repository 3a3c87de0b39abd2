"""What is learnt: examples split over devices, and what the server judges the model by."""
