"""US dollar index as a macro source."""
