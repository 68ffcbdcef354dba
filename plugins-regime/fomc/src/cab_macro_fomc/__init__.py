"""FOMC meeting windows as a macro source."""
