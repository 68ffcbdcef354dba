"""What keeps the bot and its host safe: locks, switches, throttles and distrust of other servers."""
