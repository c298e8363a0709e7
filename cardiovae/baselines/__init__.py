"""Other ways to correct a sequence: simple remedies, published methods, linear models.

They give no guarantee, and exist to be compared with.
"""
