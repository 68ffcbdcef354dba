"""The trading cycle: one pure core (`evaluate`, `trader`) and the two shells that drive it."""
