"""What a recipe draws, as a picture or as a file of kernels."""
