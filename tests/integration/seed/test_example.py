"""The example for sets, as its page and its pod have it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fix_program import initkit

if TYPE_CHECKING:
    from fix_seed import Shop

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples/seed"
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((EXAMPLE / "pod.yaml").read_text()))
MAPS = {one["metadata"]["name"]: one["data"] for one in MANIFESTS if one["kind"] == "ConfigMap"}
(POD,) = (one for one in MANIFESTS if one["kind"] == "Pod")
COUNTRIES = [
    ("AQ", "Antarctica", None),
    ("CL", "Chile", "South America"),
    ("IS", "Iceland", "Europe"),
    ("KR", "Korea; Republic of", "Asia"),
]


def mounted(folder: Path) -> dict[str, str]:
    """The pod's volumes as the kubelet lays them out: links by way of ``..data``; the path of each mount."""
    mounts = {one["name"]: one["mountPath"] for one in POD["spec"]["initContainers"][0]["volumeMounts"]}
    for volume in POD["spec"]["volumes"]:
        content = MAPS[volume["configMap"]["name"]]
        items = volume["configMap"].get("items", [{"key": key, "path": key} for key in content])
        place = folder / volume["name"]
        for item in items:
            file = place / "..2026_01_31" / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content[item["key"]])
        (place / "..data").symlink_to("..2026_01_31")
        for top in {item["path"].split("/")[0] for item in items}:
            (place / top).symlink_to(f"..data/{top}")
    return {path: str(folder / name) for name, path in mounts.items()}


def test_the_pod_seeds_its_volumes_and_the_second_time_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.sql.execute("drop table orders; drop table customers")
    paths = mounted(tmp_path / "volumes")
    words = [paths.get(word, word) for word in POD["spec"]["initContainers"][0]["args"]]
    env = {"DATABASE_URL": shop.sql.url}

    first = initkit(*words, env=env)

    assert first.returncode == 0, first.stderr
    assert shop.sql.rows("select code, name, continent from countries order by code") == COUNTRIES
    assert shop.sql.rows("select name, token from customers order by id") == [("Sigríður", None), ("Ji-woo", "none")]
    assert shop.sql.rows("select value from settings order by name") == [("EUR",), ("050",)]
    shop.sql.execute("update settings set value = 'CLP' where name = 'currency'; delete from customers where id = 2")
    before = shop.sql.stamp()
    again = initkit(*words, env=env)
    assert again.returncode == 0, again.stderr
    assert re.search(r"^ok +seed +3 datasets up to date", again.stderr, re.MULTILINE)
    assert shop.sql.stamp() == before
    assert shop.sql.rows("select count(*) from customers") == [(1,)]


def test_the_pod_holds_what_the_folders_hold() -> None:
    for name in ("common", "prod"):
        files = {path.name: path.read_text() for path in (EXAMPLE / "sets" / name).iterdir()}
        found = {key.partition(".")[2]: text for key, text in MAPS["shop-seed"].items() if key.startswith(f"{name}.")}
        assert found == files
    assert MAPS["shop-migrations"] == {path.name: path.read_text() for path in (EXAMPLE / "migrations").iterdir()}


def test_the_commands_of_its_page_do_what_they_say(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```sh\n(export .*?)^```", (EXAMPLE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    env = {"DATABASE_URL": f"sqlite:///{tmp_path}/shop.db"}
    codes = [
        initkit(*shlex.split(line, comments=True)[1:], env=env, cwd=ROOT).returncode
        for line in script.splitlines()
        if line.startswith("initkit")
    ]
    assert codes == [0, 3, 0, 0]


@pytest.mark.parametrize("name", ["prod", "test"])
def test_every_set_can_be_loaded(shop: Shop, name: str) -> None:
    shop.sql.execute("drop table orders; drop table customers")
    env = {"DATABASE_URL": shop.sql.url}
    ended = initkit(
        "migrate", str(EXAMPLE / "migrations"), "--then", "seed", str(EXAMPLE / "sets"), "--env", name, env=env
    )
    assert ended.returncode == 0, ended.stderr
    assert shop.sql.rows("select count(*) from customers") == [(2,)]
