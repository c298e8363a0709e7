"""The shape prior: one network, its canonical grid, its training and its folder on disk."""
