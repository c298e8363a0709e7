"""Many files: where work runs, a loop that loses nothing, and a journal to go on from."""
