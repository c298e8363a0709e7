"""Where a contour is doubtful, which frames a person should look at, how far EF may be off."""
