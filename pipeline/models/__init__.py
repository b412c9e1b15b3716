"""The spam classifier: features, inference, training, evaluation; with the shipped weights."""
