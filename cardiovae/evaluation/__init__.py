"""Predictions against references: overlap, distances, ejection fraction, agreement, summary."""
