"""Drawn hearts whose truth is known, and what segmentation networks do to them.

`draw_parameters` and `draw_heart` (`heart`), `phantom_cohort` (`cohort`), `corrupt_frame` and
`corrupt_sequence` (`corruption`), `simulate_bmode` (`ultrasound`); for short-axis slices
`draw_stack_parameters`, `draw_stack` and `stack_cohort` (`short_axis`), `corrupt_slice` and
`corrupt_stack` (`slice_defects`).
"""
