"""The latent space of a prior in numbers: axes, paths, directions, samples and maps of codes.

Functions of codes and of a `ShapePrior`; `explore` puts them together for the page of
`cardiovae explore`. Nothing here draws.
"""
