"""The numbers of a clinic's report, from label maps: volumes, mass, strain, walls, atrium."""
