"""What servers say in other languages, where the order of words is another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_need import need, need_program
from fix_seed_postgres import Seeding

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_pg_clusters import Cluster

    from initkit.steps.seed.store import How

LANGUAGES = ("de_DE", "fr_FR", "ja_JP", "ko_KR", "zh_CN")
SAID = {"de_DE": "ungültige", "fr_FR": "invalide", "ja_JP": "不正", "ko_KR": "자료형", "zh_CN": "无效"}


@pytest.fixture(scope="session")
def polyglot(new_cluster: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """A server that speaks each of these languages to whoever asks for it."""
    localedef = need_program("localedef", "locales")
    need(Path("/usr/share/i18n/locales/ja_JP").exists(), "the sources of locales (Debian package locales)")
    messages = Path("/usr/share/locale/ja/LC_MESSAGES").glob("postgres-*.mo")
    need(any(messages), "PostgreSQL's messages in Japanese (Debian package postgresql)")
    cluster = new_cluster("polyglot")
    for language in LANGUAGES:
        cluster.run(localedef, "-i", language, "-f", "UTF-8", str(cluster.folder / f"{language}.UTF-8"))
    cluster.environ = {"LOCPATH": str(cluster.folder), "LC_ALL": "de_DE.UTF-8"}
    with cluster.running():
        yield cluster


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bad_row_is_told_with_its_line_and_column(polyglot: Cluster, language: str, tmp_path: Path) -> None:
    seeding = Seeding(polyglot.url(options=f"-c lc_messages={language}.UTF-8"), tmp_path)
    seeding.sql(
        "drop table if exists t; create table t (id int primary key, line int, age int not null, other int unique)"
    )
    good = "".join(f"{number},1,1,{number}\n" for number in range(50))
    hows: tuple[How, ...] = ("insert", "upsert")
    for how in hows:
        with pytest.raises(PermanentError, match=f"t: line 52, column age, value 'x1': .*{SAID[language]}"):
            seeding.load(seeding.csv("t", f"id,line,age,other\n{good}99,2,x1,99\n", how))
        with pytest.raises(PermanentError, match="t: line 52, column age: "):
            seeding.load(seeding.csv("t", f"id,line,age,other\n{good}99,2,,99\n", how))
        with pytest.raises(PermanentError, match="t: line 52, column other, value '7': the same key stands in line 9"):
            seeding.load(seeding.csv("t", f"id,line,age,other\n{good}99,2,1,7\n", how))
