"""Drawn hearts whose truth is known, and what segmentation networks do to them.

`draw_parameters` and `draw_heart` (`heart`), `phantom_cohort` (`cohort`), `corrupt_frame` and
`corrupt_sequence` (`corruption`), `simulate_bmode` (`ultrasound`).
"""
