"""The sandbox's database: its roles with passwords, its schema, and a connection string for each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from sandbox.services.postgres import ExistingPostgres, PostgresServer

OWNER = "liaison_owner"
LOGIN_ROLES = ("liaison_app", "liaison_operator")  # made by the migrations


@dataclass(frozen=True)
class SandboxDatabase:
    """One database, as URLs by the role that connects: *admin* is the superuser, whom no policy binds."""

    owner: str
    app: str
    operator: str
    admin: str


@contextmanager
def made_database(server: PostgresServer | ExistingPostgres) -> Iterator[SandboxDatabase]:
    """
    Make an empty database for the block, owned by a role that may make roles; drop it after.

    The roles `liaison_app` and `liaison_operator` have no password before `give_passwords`.
    """
    name = f"liaison_{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(24)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        _set_password(connection, OWNER, password, "CREATEROLE CREATEDB")
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER)))

    def of(role: str) -> str:
        return as_url(server.dsn(name, user=role, password=password))

    try:
        yield SandboxDatabase(
            owner=of(OWNER), app=of("liaison_app"), operator=of("liaison_operator"), admin=as_url(server.dsn(name))
        )
    finally:
        if isinstance(server, ExistingPostgres):  # ours goes with its server
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def give_passwords(database: SandboxDatabase) -> None:
    """Let the roles that the migrations made log in, as the deploy step does."""
    with psycopg.connect(database.admin, autocommit=True) as connection:
        for role, url in zip(LOGIN_ROLES, (database.app, database.operator), strict=True):
            _set_password(connection, role, str(conninfo_to_dict(url)["password"]))


def as_url(conninfo: str) -> str:
    """Return *conninfo* as a URL, which every driver reads."""
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    user, password = quote(parts.pop("user"), safe=""), quote(parts.pop("password", ""), safe="")
    place = f"{parts.pop('host', 'localhost')}:{parts.pop('port', '5432')}/{quote(parts.pop('dbname'), safe='')}"
    return f"postgresql://{user}:{password}@{place}" + (f"?{urlencode(parts)}" if parts else "")


def _set_password(
    connection: psycopg.Connection[tuple[object, ...]], role: str, password: str, attributes: str = ""
) -> None:
    known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {} {}").format(
        sql.SQL("CREATE" if known is None else "ALTER"),
        sql.Identifier(role),
        sql.Literal(password),
        sql.SQL(attributes if attributes == "CREATEROLE CREATEDB" else ""),
    )
    connection.execute(statement)
