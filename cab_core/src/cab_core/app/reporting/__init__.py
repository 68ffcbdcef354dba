"""Daily and weekly reports: when they are due, what they say, and that each is sent once."""
