"""What is usual in a cohort: percentiles, outliers, and how groups differ.

The patient is the unit throughout: however many frames, views or files show a heart, it counts
once. `measure` looks at one sequence, `cohort` puts sequences together, `quantiles`, `outliers`,
`groups` and `distances` say what is in them, `reference` keeps it for the next cohort. Only
`latent` loads a network.
"""
