"""The run folder of a training: what it holds, and the model that it gives back."""
