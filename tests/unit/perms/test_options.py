"""What people write, and what they are told when it cannot be meant."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, make_context
from jsonschema import Draft202012Validator

from initkit.core.assemble import assemble, from_node
from initkit.core.errors import PermanentError
from initkit.core.identity import Owner, group_id, parse_owner, user_id
from initkit.core.options import Invalid, Scope, options_of
from initkit.core.schema import node_schema
from initkit.steps.perms.asked.places import NOTHING
from initkit.steps.perms.asked.rules import parse_rule, placed, show_rule
from initkit.steps.perms.asked.wanted import Wanted
from initkit.steps.perms.step import STEP, Perms

if TYPE_CHECKING:
    from pathlib import Path


def perms(**given: Any) -> Perms:
    return assemble(STEP, {"paths": ["/data"]} | {key.replace("_", "-"): value for key, value in given.items()})


def problem(**given: Any) -> str:
    with pytest.raises(Invalid) as caught:
        perms(**given)
    return str(caught.value)


def test_a_plan_and_the_command_line_write_the_same_rule() -> None:
    written = [{"path": "bin/**", "file-mode": "0750"}, {"path": "run/**", "dir-mode": "2770"}]
    assert perms(rules=written) == perms(rules=["bin/**=0750", "run/**/=2770"])


def test_options_of_the_step() -> None:
    names = [option.key for option in options_of(Perms) if option.path[0] != "retry"]
    assert names == [
        "paths", "owner", "group", "dir-mode", "file-mode", "umask", "rules", "include", "exclude", "max-depth",
        "one-file-system", "hard-links", "create", "policy", "really", "keep-going",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["bin/**=0750", "**/*.sh=u=rwX,g=rX,o=", "run/**/=2770"])
def test_rules_are_shown_as_they_are_parsed(text: str) -> None:
    assert show_rule(parse_rule(text)) == text


def test_of_all_rules_that_match_each_property_is_as_the_last_one_says() -> None:
    below, beside = wanted(
        ["bin", "etc"],
        owner="1:2",
        dir_mode="0755",
        file_mode="0640",
        umask="0027",
        rules=["bin/**=0750", {"path": "**", "group": "7"}, {"path": "bin/**", "umask": "000"}],
    )
    assert (below.uid, below.gid, str(below.dir_mode), str(below.file_mode), below.umask) == (1, 7, "0755", "0750", 0)
    assert (beside.uid, beside.gid, str(beside.dir_mode), str(beside.file_mode), beside.umask) == (
        1, 7, "0755", "0640", 0o27,
    )  # fmt: skip


def wanted(paths: list[str], **given: Any) -> list[Wanted]:
    found = [perms(**given).task().places.at(path).wanted for path in paths]
    return [one for one in found if one is not None]


def test_rules_alone_leave_the_rest_as_it_is() -> None:
    assert placed([parse_rule("bin/**=0750")]).at("etc").wanted == NOTHING


def test_a_umask_alone_is_enough_to_ask_for() -> None:
    assert wanted([""], umask="0027") == [Wanted(umask=0o27)]


def test_a_folder_may_be_created_without_asking_anything_of_it() -> None:
    task = perms(create="dir").task()
    assert (task.create, task.places.root().wanted) == (True, NOTHING)


def test_what_narrows_the_walk_reaches_it() -> None:
    places = perms(owner="1", include=["**/*.conf"], exclude="tmp", max_depth="2").task().places
    assert (places.include, places.exclude, places.max_depth) == (("**/*.conf",), ("tmp",), 2)


def test_what_a_task_is_by_default() -> None:
    task = perms(owner="1").task()
    assert (task.paths, task.one_file_system, task.hard_links, task.policy) == (("/data",), True, False, "always")
    assert (task.create, task.really, task.keep_going) == (False, False, True)


def test_what_is_said_reaches_the_task() -> None:
    task = perms(
        one_file_system="false",
        hard_links="allow",
        policy="stamp",
        create="dir",
        really="true",
        keep_going="no",
        umask="7" * 3,
    ).task()
    assert (task.one_file_system, task.hard_links, task.policy) == (False, True, "stamp")
    assert (task.create, task.really, task.keep_going) == (True, True, False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected at least one of owner, group, dir-mode, file-mode, umask, rules and create, got none"),
        ({"create": "no"}, "expected at least one of owner"),
        ({"owner": "1", "paths": []}, "expected at least one PATH, got none"),
        ({"owner": "1:2", "group": "3"}, "expected one group, got owner 1:2 and group 3"),
        ({"file_mode": "4755"}, "expected a file-mode without setuid and setgid"),
        ({"file_mode": "g+s"}, "expected a file-mode without setuid and setgid"),
        ({"rules": ["a=4755"]}, "expected a file-mode without setuid and setgid"),
        ({"rules": ["a/=0755", {"path": "b", "file-mode": "u+s"}]}, "got u+s (see --really)"),
        (
            {"dir_mode": "u=g", "umask": "0070"},
            "expected modes that change nothing when they are applied again, got u=g",
        ),
        ({"rules": ["**/=u=g", {"path": "a", "umask": "0070"}]}, "got u=g with umask 0070"),
        ({"umask": "2027"}, "expected an octal umask"),
        ({"owner": "1", "exclude": "**"}, "expected an exclude that leaves something to be set, got **"),
        ({"owner": "1", "exclude": ["a", "**/**"]}, "expected an exclude that leaves something to be set, got **"),
        (
            {"owner": "1", "include": ["a", "b"], "exclude": "b"},
            "expected each pattern in include or in exclude, got 'b'",
        ),
        ({"owner": "1", "include": ""}, "expected a pattern below the root such as ** or bin/*.sh, got ''"),
        ({"owner": "1", "exclude": "/tmp"}, "expected a pattern below the root"),
        ({"owner": "1", "max_depth": "-1"}, "expected a whole number from 0 up, got '-1'"),
        ({"owner": "1", "hard_links": "follow"}, "expected one of skip, allow, got 'follow'"),
        ({"create": "file"}, "expected one of no, dir, got 'file'"),
        ({"owner": "1", "policy": "never"}, "expected one of always, on-root-mismatch, stamp, got 'never'"),
        ({"rules": ["bin"]}, "expected GLOB=MODE such as bin/**=0750, got 'bin'"),
        ({"rules": ["/bin=0750"]}, "expected a pattern below the root"),
        ({"rules": [{"path": "a"}]}, "expected owner, group, dir-mode, file-mode or umask for 'a', got none"),
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
        PermanentError, match=r"cannot find the user 'no-such': this image knows no user .*grep \^no-such: /etc/passwd"
    ):
        user_id("no-such")
    with pytest.raises(PermanentError, match=r"cannot find the group 'no-such'.*`grep \^no-such: /etc/group`"):
        group_id("no-such")


def test_the_schema_takes_what_a_plan_may_say() -> None:
    schema = Draft202012Validator(node_schema(STEP))
    node = {
        "paths": ["/content"],
        "owner": 1000,
        "file-mode": "u=rwX,g=rX,o=",
        "umask": "0027",
        "rules": [{"path": "**", "file-mode": "0640", "umask": "027"}, "bin/**=0750"],
        "include": "**/*.conf",
        "exclude": ["tmp", "cache/**"],
        "max-depth": 3,
        "one-file-system": False,
        "hard-links": "allow",
        "create": "dir",
        "policy": "on-root-mismatch",
        "really": True,
        "keep-going": "no",
    }
    assert list(schema.iter_errors(node)) == []
    assert list(schema.iter_errors({"paths": ["/content"], "create": False})) == []  # how an editor reads a bare no
    for key, bad in [("file-mode", "rw-"), ("umask", "2027"), ("max-depth", -1), ("create", True), ("policy", "never")]:
        assert list(schema.iter_errors({"paths": ["/content"], key: bad})) != [], key


def test_a_scalar_is_the_path() -> None:
    assert from_node(STEP, "/content") == {"paths": ["/content"]}


def test_the_environment_may_give_patterns_and_flags() -> None:
    environ = {
        "INITKIT_PERMS_PATHS": "/data",
        "INITKIT_PERMS_OWNER": "1000",
        "INITKIT_PERMS_EXCLUDE": "'lost+found' '**/*.tmp'",
        "INITKIT_PERMS_ONE_FILE_SYSTEM": "false",
        "INITKIT_PERMS_UMASK": "0027",
    }
    step = assemble(STEP, {}, Scope("perms", environ))
    assert (step.exclude, step.one_file_system, step.umask) == (("lost+found", "**/*.tmp"), False, 0o27)


def test_what_is_really_meant_is_not_refused_but_warned_of(tmp_path: Path, voice: RecordingVoice) -> None:
    (tmp_path / "program").touch()
    perms(paths=[str(tmp_path)], file_mode="4755", really="true").check(make_context(voice=voice))
    assert voice.warnings == ["file-mode 4755 makes files run as their owner or group, and is set because of --really"]


@pytest.mark.parametrize("path", ["/usr", "/usr/../usr/lib/"])
def test_a_root_of_the_system_is_warned_of(path: str, voice: RecordingVoice) -> None:
    perms(paths=[path], umask="0000", rules=["x=0640"], max_depth="0", really="true").check(make_context(voice=voice))
    real = os.path.realpath(path)
    assert any(text.startswith(f"{real} is set because of --really: ") for text in voice.warnings)


def test_a_root_of_the_system_that_is_to_be_made_is_warned_of(voice: RecordingVoice) -> None:
    perms(paths=["/dev/nothing/there"], create="dir", really="true").check(make_context(voice=voice))
    assert voice.warnings == ["/dev/nothing/there is made because of --really: it belongs to the system"]


def test_what_is_usual_is_not_warned_of(tmp_path: Path, voice: RecordingVoice) -> None:
    perms(paths=[str(tmp_path)], umask="0000", really="true").check(make_context(voice=voice))
    assert voice.warnings == []


def test_a_digest_is_that_of_what_decides_the_result() -> None:
    given: dict[str, Any] = {"owner": "root", "file_mode": "0640", "rules": ["bin/**=0750"], "exclude": ["a", "b"]}
    same = [
        given,
        given | {"owner": "0"},
        given | {"exclude": ["b", "a", "b"]},
        given | {"paths": ["/other"]},
        given | {"policy": "stamp", "create": "dir", "really": "true", "keep_going": "false"},
    ]
    others = [
        given | {"owner": "1"},
        given | {"owner": "0:0"},
        given | {"file_mode": "0600"},
        given | {"dir_mode": "0640"},
        given | {"umask": "0027"},
        given | {"rules": ["bin/**=0755"]},
        given | {"rules": ["sbin/**=0750"]},
        given | {"rules": ["bin/**=0750", "**=0700"]},
        given | {"rules": ["**=0700", "bin/**=0750"]},
        given | {"rules": [{"path": "bin/**", "file-mode": "0750", "umask": "000"}]},
        given | {"exclude": ["a"]},
        given | {"include": ["c"]},
        given | {"max_depth": "0"},
        given | {"one_file_system": "false"},
        given | {"hard_links": "allow"},
    ]
    digests = [perms(**one).task().digest for one in others]
    assert {perms(**one).task().digest for one in same}.isdisjoint(digests)
    assert len({perms(**one).task().digest for one in same}) == 1
    assert len(set(digests)) == len(others)
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)


def test_patterns_that_are_no_text_have_a_digest() -> None:
    assert perms(owner="1", exclude="\udcff").task().digest != perms(owner="1", exclude="\udcfe").task().digest
