"""The parts of `benchmarks/quality.py`.

`cases` (what is corrected), `units` (the work, cut and cached), `records` (what is measured),
`pools` (many records as arrays), `verdicts` (targets), `tables`, `figures`, `page`.
"""
