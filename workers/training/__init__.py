"""Training data, training and evaluation of the models."""
