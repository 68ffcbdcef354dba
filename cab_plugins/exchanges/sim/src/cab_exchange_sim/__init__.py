"""A Gate-compatible exchange on this machine, to rehearse on."""
