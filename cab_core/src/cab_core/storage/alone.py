"""Being the only instance on a database server: a lock that lives as long as the writer's connection.

A second instance would be fenced by its epoch, but by fencing the first one off. The lock refuses it before.
Should the connection break, the epoch still keeps two writers apart.
"""

from __future__ import annotations

import sqlalchemy as sa

from cab_core.errors import LockedError

#: Seconds after which the server notices that the host of a holder is gone: idle + interval * count.
_KEEPALIVES = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

#: One lock per schema: accounts may share a server, each in a schema of its own.
_KEY = "hashtext('cab'), hashtext(current_schema())"
_HOLDER = """
SELECT coalesce(host(a.client_addr), 'this host'), a.backend_start
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.database = a.datid AND a.datname = current_database()
    AND CAST(l.classid AS bigint) = CAST(hashtext('cab') AS bigint) & 4294967295
    AND CAST(l.objid AS bigint) = CAST(hashtext(current_schema()) AS bigint) & 4294967295
"""


def hold_alone(conn: sa.Connection, where: str) -> None:
    """Let this connection hold the database alone until it is closed; a file is locked elsewhere.

    Raises:
        LockedError: another instance holds it.
    """
    if conn.dialect.name != "postgresql":
        return
    for name, value in _KEEPALIVES.items():
        conn.execute(sa.text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value})
    if conn.execute(sa.text(f"SELECT pg_try_advisory_lock({_KEY})")).scalar():
        return
    held = conn.execute(sa.text(_HOLDER)).first()
    by = "" if held is None else f": connected from {held[0]} since {held[1]:%Y-%m-%d %H:%M:%S %Z}"
    raise LockedError(
        f"Instance already running on this database{by}",
        where=where,
        fix="stop it first, or give this one a database (a schema) of its own in DATABASE_URL",
    )
