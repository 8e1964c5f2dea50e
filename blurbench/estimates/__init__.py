"""Kernels of pairs that exist, patch by patch: a bank, and how far each kernel can be trusted."""
