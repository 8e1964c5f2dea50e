"""Trained networks that metrics look through; their files come from outside, and are named."""
