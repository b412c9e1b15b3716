"""The spam classifier: features, inference, training, evaluation; ships default weights."""
