"""The models of the lineage, trained, measured and compared."""
