"""The operator's desk: one read model and one set of commands for every surface."""
