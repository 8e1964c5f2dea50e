"""What a training learns from: one set, several with their shares, or pairs blurred on the fly."""
