"""Libraries that change nothing of where a migration looks by being imported; all others are looked through."""

from __future__ import annotations

import sys

_DATABASES = {
    *("alembic", "alembic_utils", "sqlalchemy", "sqlmodel", "sqlalchemy_utils", "geoalchemy2", "pgvector", "greenlet"),
    *("psycopg", "psycopg2", "psycopg_binary", "psycopg_pool", "asyncpg", "aiosqlite", "pymysql", "MySQLdb"),
    *("aiomysql", "asyncmy", "redis", "pymongo", "bson", "elasticsearch", "citext", "shapely"),
}
_FRAMEWORKS = {
    *("pydantic", "pydantic_core", "pydantic_settings", "pydantic_extra_types", "annotated_types", "typing_extensions"),
    *("typing_inspection", "mypy_extensions", "fastapi", "starlette", "uvicorn", "flask", "flask_sqlalchemy"),
    *("flask_login", "flask_migrate", "werkzeug", "jinja2", "markupsafe", "mako", "itsdangerous", "blinker", "click"),
    *("typer", "rich", "django", "aiohttp", "litestar", "msgspec", "attr", "attrs", "marshmallow", "strawberry"),
    *("graphql", "celery", "kombu", "anyio", "sniffio", "httpx", "httpcore", "requests", "urllib3", "certifi"),
}
_OTHERS = {
    *("numpy", "pandas", "dateutil", "pytz", "tzdata", "tzlocal", "pendulum", "arrow", "six", "yaml", "tomli"),
    *("orjson", "ujson", "simplejson", "structlog", "loguru", "cryptography", "bcrypt", "passlib", "argon2", "jwt"),
    *("jose", "email_validator", "phonenumbers", "babel", "slugify", "ulid", "uuid6", "uuid_utils", "nanoid"),
    *("boto3", "botocore", "decouple", "PIL", "packaging", "tenacity", "deepdiff", "inflection", "sentry_sdk"),
}
_KNOWN = frozenset(_DATABASES | _FRAMEWORKS | _OTHERS)


def is_known(top: str) -> bool:
    """Whether a top-level package of that name is the standard library's or one of these."""
    return top in sys.stdlib_module_names or top in _KNOWN
