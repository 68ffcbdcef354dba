"""Names shared with `cab_broker_ccxt.gate_client`, which cannot be imported before a broker opens."""

#: Name of the parameter that carries the expiry to `GateClient.sign`; it is never sent as a parameter.
EXPIRES = "__cab_expires_ms"
