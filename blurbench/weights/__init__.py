"""Files of weights: what ships, what else may be wanted, where it lies, how it gets there."""
