"""Parts of the comparison of ways to tell where label maps are wrong."""
