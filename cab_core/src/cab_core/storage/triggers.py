"""Triggers of the journal: it only grows, and its newest row is marked. Migrations run these statements."""

from __future__ import annotations

_SQLITE_GUARD = """
CREATE TRIGGER journal_no_{verb} BEFORE {event} ON journal
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END
"""

# INSERT OR REPLACE removes the old row without firing delete triggers.
_SQLITE_NO_REPLACE = """
CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal
WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM journal)
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END
"""

_POSTGRES_REFUSE = """
CREATE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'journal is append-only'; END $$
"""

_POSTGRES_GUARD = """
CREATE TRIGGER journal_no_{name} BEFORE {events} ON journal
FOR EACH {each} EXECUTE FUNCTION journal_refuse()
"""

_SQLITE_MARK = """
CREATE TRIGGER journal_head AFTER INSERT ON journal
BEGIN
INSERT INTO meta (key, value) VALUES ('journal_head', NEW.seq || ':' || NEW.hash)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;
END
"""

_POSTGRES_MARKER = """
CREATE FUNCTION journal_mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
INSERT INTO meta (key, value) VALUES ('journal_head', NEW.seq || ':' || NEW.hash)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;
RETURN NULL;
END $$
"""

_POSTGRES_MARK = """
CREATE TRIGGER journal_head AFTER INSERT ON journal
FOR EACH ROW EXECUTE FUNCTION journal_mark()
"""

#: Statements that keep the journal's newest row in ``meta``, so that rows cut off its end are missed.
HEAD_MARK = {
    "sqlite": (_SQLITE_MARK.strip(),),
    "postgresql": (_POSTGRES_MARKER.strip(), _POSTGRES_MARK.strip()),
}

#: Statements that make the journal append-only, by dialect.
APPEND_ONLY = {
    "sqlite": (
        _SQLITE_GUARD.format(verb="update", event="UPDATE").strip(),
        _SQLITE_GUARD.format(verb="delete", event="DELETE").strip(),
        _SQLITE_NO_REPLACE.strip(),
    ),
    "postgresql": (
        _POSTGRES_REFUSE.strip(),
        _POSTGRES_GUARD.format(name="change", events="UPDATE OR DELETE", each="ROW").strip(),
        _POSTGRES_GUARD.format(name="truncate", events="TRUNCATE", each="STATEMENT").strip(),
    ),
}
