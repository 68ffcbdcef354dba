"""Pure values and rules. Nothing here knows a clock, a network, a database or an event loop."""
