"""Models that devices train: BERT classifiers of any size, tiny ones pre-trained by the project."""
