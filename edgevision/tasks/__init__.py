"""What outputs mean: from stored tensors to classes."""
