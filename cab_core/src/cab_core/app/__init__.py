"""The composition root: puts settings, plugins, storage and the cycle together."""
