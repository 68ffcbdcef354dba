"""``cab rehearse`` with its database on a PostgreSQL server, and events and instance key on Redis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from database_servers import fresh_database, needs_postgres
from own_redis import RedisServer
from rehearsing import cab, start

from cab_core.storage import intents_since, visit

pytestmark = [pytest.mark.postgres, pytest.mark.redis, needs_postgres]


@pytest.mark.timeout(280)
def test_kills_on_servers_cost_and_double_no_order(tmp_path: Path, redis_server: RedisServer) -> None:
    with fresh_database() as url:
        servers = ("--database", url, "--redis", redis_server.url.reveal())
        rehearsal = start(tmp_path, "--days", "1", "--kills", "4", "--seed", "7", *servers)
        code, report, said = rehearsal.finished()
        assert (code, report.get("verdict"), report.get("kills")) == (0, "clean", 4), said
        assert not (rehearsal.folder / "trader.sqlite3").exists()
        assert len(visit(url, lambda conn: intents_since(conn, 0))) >= report["orders"] > 0
        with redis_server.client() as client:
            assert any(client.type(key) == "stream" and client.xlen(key) for key in client.scan_iter())

        again = cab(tmp_path / "home", "rehearse", "--headless", "--json", *servers)
        assert again.returncode == 8
        assert "not empty" in json.loads(again.stderr.splitlines()[-1])["error"]["what"]
