"""The words of a module's text that could change where a migration looks; which modules are read is not said here."""

from __future__ import annotations

import re

# these say it by themselves
_ALONE = (
    *(b"search_path", b"schema_translate_map", b"default_schema_name", b"pgoptions", b"createengineplugin"),
    *(b"putenv", b"unsetenv", b"environb", b"read_env", b"load_dotenv", b"read_dotenv", b"chdir"),
    # what they import, or run, is not to be read here
    *(b"import_module", b"__import__", b"pkgutil", b"runpy", b"exec_module", b"load_module", b"load_source"),
    *(b"import_string", b"import_submodules", b"find_modules", b"autodiscover", b"entry_points", b"pkg_resources"),
    *(
        b"from_pyfile",
        b"from_envvar",
        b"django_settings_module",
        b"sys.modules",
        b"meta_path",
        b"path_hooks",
        b"__path__",
        b"__builtins__",
    ),
)
# events that no connection of a migration has: https://docs.sqlalchemy.org/en/20/orm/events.html and /core/events.html
_EVENTS = (
    rb"(?:before|after)_(?:insert|update|delete|flush|flush_postexec|commit|rollback|soft_rollback|attach|configured"
    rb"|bulk_update|bulk_delete|create|drop|parent_attach|mapper_constructed)|mapper_configured|before_mapper_configured"
    rb"|after_mapper_constructed|after_begin|after_transaction_(?:create|end)|do_orm_execute|instrument_class"
    rb"|class_instrument|attribute_instrument|init|init_scalar|init_collection|first_init|load|refresh|refresh_flush"
    rb"|expire|pickle|unpickle|set|append|append_wo_mutation|remove|bulk_replace|dispose_collection|modified"
    rb"|column_reflect|loaded_as_persistent|\w+_to_(?:pending|persistent|transient|deleted|detached)"
)
# each begins with a word as it stands, and looks behind it afterwards: so the search is many times faster
_LISTENS = rb"listen(?<!\wlisten)(?:s_for)?(?:\s+as\b|\s*\((?!(?:[^\"'()]|\([^()]*\))*[\"'](?:" + _EVENTS + rb")[\"']))"
# reading a variable, or asking whether there is one, is all that may be done
_ENVIRON = (
    rb"environ\b(?<!\wenviron)(?:\s+as\b"
    rb"|(?<!in os\.environ)(?<!in environ)(?<!\*\*os\.environ)(?<!dict\(os\.environ)(?<!import environ)"
    rb"(?!\s*\.\s*(?:get|copy|keys|values|items)\s*\(|\s*\[[^\]]*\](?!\s*(?:\]|=[^=]|[|+]=))))"
)
_SETATTR = (
    rb"setattr(?<!\wsetattr)\s*\(\s*"
    rb"(?:os|sys|alembic|sa|sqlalchemy|psycopg\w*|asyncpg|\w*(?:engine|connection|dialect|pool))\b"
)
_ASSIGNED = rb"\.[\w.]+[ \t]*=[^=]"
_LIBRARIES = (b"sqlalchemy", b"psycopg", b"psycopg2", b"asyncpg", b"sa", b"engine", b"connection", b"pool")
# a word, and what about it is suspicious; `re` compiles and keeps those whose word is met
_TOGETHER = (
    (b"role", rb"set(?<!\wset)\s+(?:local\s+|session\s+)?role\b"),
    (b"authorization", rb"session\s+authorization"),
    (b"alembic", rb"^\s*(?:from\s+alembic\b|import\s[^\n]*\balembic\b)"),
    (b"dotenv", rb"dotenv\b(?<!\wdotenv)"),
    (b"environ", rb"del\s+(?:os\.)?environ\b"),
    (b"environ", _ENVIRON),
    (b"listen", _LISTENS),
    (b"registry", rb"registry(?<!\wregistry)\s*\.\s*register\b"),
    (b"importlib", rb"importlib\b(?!\s*\.\s*(?:metadata|resources)\b|\s+import\s+(?:metadata|resources)\b)"),
    # these load a module of the project's by its name
    (b"django", rb"django\.(?:setup|conf)\b|from\s+django\s+import\b"),
    (b"from_object", rb"from_object\s*\(\s*[^)\n]*[\"']"),
    (b"exec", rb"exec(?<![\w.]exec)\s*\("),
    (b"eval", rb"eval(?<![\w.]eval)\s*\("),
    (b"builtins", rb"builtins\s*\.\s*(?:exec|eval)\b|from\s+builtins\b"),
    (b"sys.path", rb"sys\.path\s*(?:\.\s*(?:insert|append|extend)\b|\[[^\]]*\]\s*=[^=]|\+?=[^=])"),
    (b"os.getenv", rb"os\.getenv\s*=[^=]"),
    (b"setattr", _SETATTR),
    (b"patch", rb"patch(?<![\w.]patch)\s*[.(]|mock\s*\.\s*patch\b"),
    (b"dialect.", rb"dialect" + _ASSIGNED),
    *((word + b".", word + rb"(?<!\w" + word + rb")" + _ASSIGNED) for word in _LIBRARIES),
)


def suspicious(text: bytes) -> str:
    """What in a module's text could change where a migration looks, in lower case; empty where there is nothing."""
    small = text.lower()
    for word in _ALONE:
        if word in small:
            return word.decode()
    for word, pattern in _TOGETHER:
        found = re.search(pattern, small, re.MULTILINE) if word in small else None
        if found:
            return " ".join(found.group().decode(errors="replace").split())
    return ""
