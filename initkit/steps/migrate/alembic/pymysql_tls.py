"""A dialect for pymysql that also takes the ``ssl-mode`` of MySQL's own clients; SQLAlchemy loads it by name."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from initkit.db import mysql_direct
from initkit.db.dsn import Database


class Pymysql(MySQLDialect_pymysql):
    """pymysql, with TLS as the URL asks for it."""

    supports_statement_cache = True

    def connect(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy has it
        """Connect."""
        modes = [named.pop(name) for name in ("ssl-mode", "ssl_mode") if name in named]
        if modes:
            files = {f"ssl-{name}": file for name, file in (named.pop("ssl", None) or {}).items()}
            query = urlencode({"ssl-mode": modes[0]} | files)
            told = mysql_direct.parameters(Database("mysql", f"mysql://host/name?{query}", "the URL"))
            named |= {name: value for name, value in told.items() if name.startswith("ssl")}
        return super().connect(*arguments, **named)
