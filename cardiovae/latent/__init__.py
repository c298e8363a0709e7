"""The latent space as numbers: density, sampling, search and temporal smoothing of codes.

Nothing here knows a network or a label map: codes are arrays (N, D) or (T, D), whoever made them.
"""
