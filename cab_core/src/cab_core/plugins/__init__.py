"""The plugin road: inventory, loading, options, host and isolation, in this order (design section 3)."""
