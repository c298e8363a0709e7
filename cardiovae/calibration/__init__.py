"""How far doubt can be trusted: calibration, risk, conformal intervals, failure detection.

Nothing here knows a network or a label map: numbers with patients in, numbers out. `reliability`
compares stated with observed shares, `association` and `risk` judge a ranking, `conformal` turns
errors of earlier patients into intervals, `failure` turns several signals into one probability,
`record` keeps all that was learned from a cohort.
"""
