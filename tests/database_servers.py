"""Databases on a PostgreSQL server for one test each, and a server that a test may stop."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

#: The server that tests share.
SHARED = os.environ.get("CAB_TEST_POSTGRES_URL", "")

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

needs_postgres = pytest.mark.skipif(not SHARED, reason="CAB_TEST_POSTGRES_URL names no PostgreSQL server")
needs_own_postgres = pytest.mark.skipif(not _BINARIES, reason="no PostgreSQL server is installed here")


def ask_server(server: str, *statements: str) -> list[Any]:
    """Run statements on a server one by one, outside of a transaction; return the rows of the last."""

    async def run() -> list[Any]:
        engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as conn:
                found: list[Any] = []
                for statement in statements:
                    result = await conn.exec_driver_sql(statement)
                    found = [tuple(row) for row in result] if result.returns_rows else []
                return found
        finally:
            await engine.dispose()

    return asyncio.run(run())


@contextmanager
def fresh_database(server: str = SHARED) -> Iterator[str]:
    """Make an empty database on a server and yield its URL; it is dropped at the end."""
    name = f"cab_{uuid.uuid4().hex}"
    ask_server(server, f"CREATE DATABASE {name}")
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        for each in (name, f"{name}_kept"):
            ask_server(server, f"DROP DATABASE IF EXISTS {each} WITH (FORCE)")


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@attrs.define
class OwnServer:
    """A server process on loopback that one test file starts, stops and freezes."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://cab@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c fsync=off"
        )
        self._control("-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it as an administrator does: connections are told and cut, new ones refused."""
        self._control("-m", "fast", "-w", "stop")

    def backends(self, database: str) -> list[int]:
        """Return the processes that serve a database."""
        query = f"SELECT pid FROM pg_stat_activity WHERE datname = '{sa.make_url(database).database}'"
        return [pid for (pid,) in ask_server(self.url, query)]

    def terminate(self, database: str) -> int:
        """Cut every connection of a database; return how many there were."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
        return len(ask_server(self.url, query.format(sa.make_url(database).database)))

    def _control(self, *args: str) -> None:
        _as_postgres(str(_BINARIES[-1] / "pg_ctl"), "-D", str(self.folder / "data"), *args)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Run a PostgreSQL server of one's own; it ends and its files go with the block."""
    folder = Path(tempfile.mkdtemp(prefix="cab-postgres-"))
    server = OwnServer(folder, free_port())
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        how = ("-U", "cab", "--auth=trust", "--no-sync", "--encoding=UTF8")
        _as_postgres(str(_BINARIES[-1] / "initdb"), "-D", str(folder / "data"), *how)
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server._control("-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres(*command: str) -> None:
    """Run a tool of the server, which refuses to be root."""
    subprocess.run(
        command,
        cwd="/",
        user="postgres" if os.getuid() == 0 else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


@attrs.define
class CutAtCommit:
    """A line to a server that breaks at a commit: before the server hears of it, or after.

    Attributes:
        heard: whether the server does. None lets everything pass.
    """

    server: sa.URL
    heard: bool | None = None
    _port: int = 0

    @property
    def url(self) -> str:
        through = self.server.set(host="127.0.0.1", port=self._port)
        return through.render_as_string(hide_password=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection(self.server.host, self.server.port)
        back = asyncio.create_task(_carry(answers, writer))
        try:
            while sent := await reader.read(1 << 16):
                if self.heard is not None and b"COMMIT" in sent:
                    if self.heard:
                        back.cancel()
                        questions.write(sent)
                        await answers.read(1 << 16)  # it has committed
                    self.heard = None
                    return
                questions.write(sent)
        finally:
            back.cancel()
            for each in (writer, questions):
                each.close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while got := await source.read(1 << 16):
        target.write(got)
    target.close()
