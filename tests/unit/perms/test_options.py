"""What people write, and what they are told when it cannot be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from initkit.core.assemble import assemble, from_node
from initkit.core.errors import PermanentError
from initkit.core.options import Invalid, options_of
from initkit.core.schema import node_schema
from initkit.steps.perms.identity import Owner, group_id, parse_owner, user_id
from initkit.steps.perms.rules import Rules, parse_rule, show_rule
from initkit.steps.perms.step import STEP, Perms

if TYPE_CHECKING:
    from initkit.core.options import Declared


def perms(**given: Any) -> Declared:
    return assemble(STEP, {"paths": ["/data"]} | {key.replace("_", "-"): value for key, value in given.items()})


def problem(**given: Any) -> str:
    with pytest.raises(Invalid) as caught:
        perms(**given)
    return str(caught.value)


def test_a_plan_and_the_command_line_write_the_same_rule() -> None:
    written = [{"path": "bin/**", "file-mode": "0750"}, {"path": "run/**", "dir-mode": "2770"}]
    assert perms(rules=written) == perms(rules=["bin/**=0750", "run/**/=2770"])


def test_options_of_the_step() -> None:
    names = [option.key for option in options_of(Perms)][:6]
    assert names == ["paths", "owner", "group", "dir-mode", "file-mode", "rules"]


@pytest.mark.parametrize("text", ["bin/**=0750", "**/*.sh=u=rwX,g=rX,o=", "run/**/=2770"])
def test_rules_are_shown_as_they_are_parsed(text: str) -> None:
    assert show_rule(parse_rule(text)) == text


def test_of_all_rules_that_match_each_property_is_as_the_last_one_says() -> None:
    step = perms(owner="1:2", dir_mode="0755", file_mode="0640", rules=["bin/**=0750", {"path": "**", "group": "7"}])
    assert isinstance(step, Perms)
    rules = step._all_rules()
    below, beside = rules.wanted("bin/x"), rules.wanted("etc/x")
    assert (below.uid, below.gid, str(below.dir_mode), str(below.file_mode)) == (1, 7, "0755", "0750")
    assert (beside.uid, beside.gid, str(beside.dir_mode), str(beside.file_mode)) == (1, 7, "0755", "0640")


def test_rules_alone_leave_the_rest_as_it_is() -> None:
    wanted = Rules([parse_rule("bin/**=0750")]).wanted("etc")
    assert tuple(wanted) == (None, None, None, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected at least one of owner, group, dir-mode, file-mode and rules, got none"),
        ({"owner": "1:2", "group": "3"}, "expected one group, got owner 1:2 and group 3"),
        ({"file_mode": "4755"}, "expected a file-mode without setuid and setgid"),
        ({"file_mode": "g+s"}, "expected a file-mode without setuid and setgid"),
        ({"rules": ["a=4755"]}, "expected a file-mode without setuid and setgid"),
        ({"rules": ["bin"]}, "expected GLOB=MODE such as bin/**=0750, got 'bin'"),
        ({"rules": ["/bin=0750"]}, "expected a pattern below the root"),
        ({"rules": [{"path": "a"}]}, "expected owner, group, dir-mode or file-mode for 'a', got none"),
        ({"rules": [{"path": "a", "mode": "0640"}]}, "unknown option 'mode'"),
        ({"rules": [{"file-mode": "0640"}]}, "option 'path' is missing"),
        ({"owner": "a b"}, "expected a user by name or number, got 'a b'"),
        ({"owner": "1:"}, "expected USER or USER:GROUP, got '1:'"),
        ({"owner": ""}, "expected a user by name or number, got ''"),
        ({"owner": "4294967295"}, "expected a number of a user from 0 to 4294967294"),
        ({"group": "-1"}, "expected a group by name or number, got '-1'"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    assert message in problem(**given)


@pytest.mark.parametrize(
    "path", ["/", "//", "/etc", "/etc/", "/usr/../bin", "/proc/1", "/sys/fs", "/dev/sda", "//usr/lib64"]
)
def test_what_belongs_to_the_system_is_refused(path: str) -> None:
    assert "belongs to the system" in problem(paths=[path], owner="1")


@pytest.mark.parametrize("path", ["/usr/share/nginx/html", "/var/lib/app", "/tmp", "/dev/shm/x", "/etcetera", "data"])
def test_where_volumes_are_mounted_is_not_refused(path: str) -> None:
    assert isinstance(perms(paths=[path], owner="1"), Perms)


@pytest.mark.parametrize("paths", [["/d", "/d/x"], ["/d/x/", "/d"], ["/d", "/d/./"]])
def test_paths_within_one_another_are_refused(paths: list[str]) -> None:
    assert "expected paths beside one another" in problem(paths=paths, owner="1")


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800"])
def test_what_is_no_path_is_refused(path: str) -> None:
    assert "expected the path of a file or folder" in problem(paths=[path], owner="1")


def test_owners_by_number_and_name() -> None:
    assert parse_owner("1000") == Owner("1000")
    assert parse_owner("app:www-data") == Owner("app", "www-data")
    assert (user_id("root"), user_id("1000"), group_id("1000")) == (0, 1000, 1000)


def test_names_that_the_image_does_not_know() -> None:
    with pytest.raises(
        PermanentError, match=r"cannot find the user 'no-such': this image knows no user .*id -u no-such"
    ):
        user_id("no-such")
    with pytest.raises(PermanentError, match=r"cannot find the group 'no-such'.*id -g no-such"):
        group_id("no-such")


def test_the_schema_takes_what_a_plan_may_say() -> None:
    schema = Draft202012Validator(node_schema(STEP))
    node = {
        "paths": ["/content"],
        "owner": 1000,
        "file-mode": "u=rwX,g=rX,o=",
        "rules": [{"path": "**", "file-mode": "0640"}, "bin/**=0750"],
    }
    assert list(schema.iter_errors(node)) == []
    assert list(schema.iter_errors({"paths": ["/content"], "file-mode": "rw-"})) != []


def test_a_scalar_is_the_path() -> None:
    assert from_node(STEP, "/content") == {"paths": ["/content"]}
