"""Doubt from image and mask: a joint latent space of both, after CRISP (Judge et al., 2022)."""
