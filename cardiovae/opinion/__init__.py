"""A second opinion on label maps: a small network that sees the image and says what is true."""
