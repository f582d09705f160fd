"""Data with a teacher, training, calibration and evaluation of the default model."""
