"""Adversarial BRMR: iGAN finds what is still blurry, pGAN refines it."""
