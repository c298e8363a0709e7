"""From a broken sequence to one that could exist: fit, blend, project, smooth, audit again."""
