"""Training on GPU or CPU: networks, the loop, checkpoints and evaluation."""
