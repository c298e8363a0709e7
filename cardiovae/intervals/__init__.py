"""Confidence intervals that take the patient for the unit: of means by bootstrap, of shares."""
