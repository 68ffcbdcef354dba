"""Bitcoin dominance as a macro source."""
