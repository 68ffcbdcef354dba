"""Paper broker: simulated fills on real or recorded prices."""
