"""Images and datasets as raw samples, and the one input pipeline that feeds them to training."""
