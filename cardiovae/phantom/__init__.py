"""Drawn hearts whose truth is known, and what segmentation networks do to them."""
