"""MONAI bundles of the shape prior and of a segmenter: folders that MONAI's own tools run.

`export_bundle` (`export`) writes one; `cases`, `drawn` and `meta_of` (`data`) are what their
configurations call besides `cardiovae.monai`.
"""
