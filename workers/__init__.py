"""Where the model is: scoring, the models, training and evaluation, and the command line that wires all."""
