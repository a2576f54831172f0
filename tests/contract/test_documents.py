"""What the documents say can be typed, can be typed: pod specs, plans, commands, links, the example of a new scheme."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fix_program import environment, initkit

from initkit.cli import argv, main
from initkit.cli.settings import Settings
from initkit.core.clock import SystemClock
from initkit.core.options import Declared, options_of
from initkit.core.stop import Stop
from initkit.engine import plan
from initkit.steps.git.staying.standing import Standing
from initkit.steps.git.step import Git

if TYPE_CHECKING:
    from initkit.cli.commands import Given

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def parsed(words: list[str]) -> list[Declared]:
    settings: Given = {}
    parts, _ = argv.split(words)
    return [main._parsed(part, {}, settings)[1] for part in parts]


MANIFESTS: list[dict[str, Any]] = [
    manifest for block in blocks(ROOT / "README.md", "yaml") for manifest in yaml.safe_load_all(block)
]
PODS = [manifest for manifest in MANIFESTS if manifest["kind"] == "Pod"]
GIT = ROOT / "docs/git.md"
*GIT_PODS, GIT_PLAN = [yaml.safe_load(block) for block in blocks(GIT, "yaml")]


def test_the_readme_shows_the_three_ways_in() -> None:
    words = [container["args"] for pod in PODS for container in pod["spec"]["initContainers"]]
    assert [len(pod["spec"]["initContainers"]) for pod in PODS] == [2, 1, 1]
    assert [args[0] for args in words] == ["wait", "migrate", "wait", "run"]
    assert "--then" in words[2]


@pytest.mark.parametrize("pod", [*PODS, *GIT_PODS])
def test_a_pod_of_the_documents_can_be_typed_and_mounts_what_it_names(pod: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    every = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    for container in (container for container in every if "args" in container):
        assert all(isinstance(step, Declared) for step in parsed(container["args"]))
        mounts = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
        for word in container["args"]:
            assert not word.startswith("/") or any(word.startswith(mount) for mount in mounts), word


def test_the_plan_of_the_readme_has_no_mistake() -> None:
    (text,) = (m["data"]["initkit.yaml"] for m in MANIFESTS if m["kind"] == "ConfigMap")
    entries = plan.parse(text, "README.md", {})
    assert [entry.step.kind for entry in entries] == ["wait", "migrate", "seed", "git", "perms"]


def test_the_page_of_git_shows_the_three_sorts_of_container() -> None:
    first, native, plain = (pod["spec"] for pod in GIT_PODS)
    steps = [
        parsed(container["args"])[0]
        for container in (*(spec["initContainers"][0] for spec in (first, native, plain)), plain["containers"][0])
    ]
    assert all(isinstance(step, Git) for step in steps)
    assert [step.stays for step in steps if isinstance(step, Git)] == [False, True, False, True]
    sidecar = native["initContainers"][0]
    probe, listen = sidecar["startupProbe"], steps[1].listen if isinstance(steps[1], Git) else None
    assert sidecar["restartPolicy"] == "Always"
    assert listen is not None
    assert probe["httpGet"] == {"path": "/healthz", "port": listen.port}
    assert probe["periodSeconds"] * probe["failureThreshold"] > Git.retry.timeout


def test_the_plan_of_the_page_of_git_has_no_mistake() -> None:
    entries = plan.parse(yaml.safe_dump(GIT_PLAN), "git.md", {})
    assert [entry.step.kind for entry in entries] == ["git", "git"]


def test_the_page_of_git_names_every_option_and_every_metric_and_no_other() -> None:
    page = GIT.read_text()
    ours = re.sub(r"^\| (.*?) \|", "|", page.partition("## Coming from something else")[2], flags=re.MULTILINE)
    ours += page.partition("## Coming from something else")[0]
    named = set(re.findall(r"--([a-z][a-z-]*[a-z])\b", ours)) - {"from-file"}  # of kubectl
    options = options_of(Git)
    assert named <= {option.key for option in (*options, *options_of(Settings))}
    assert {option.key for option in options if len(option.path) == 1 and not option.positional} <= named
    told = Standing(SystemClock(Stop()), {}).page("/metrics")
    assert told is not None
    metrics = set(re.findall(r"# TYPE (\w+)", told.body.decode()))
    assert metrics == {re.sub("_sum$", "", name) for name in re.findall(r"`(initkit_git_\w+)", page)}


def commands() -> list[str]:
    """What stands in backquotes and begins with initkit and a word in lower case."""
    found: list[str] = []
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
        found += re.findall(r"`(initkit [a-z][^`]*)`", text)
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_documents_can_be_typed(command: str) -> None:
    plain = re.sub(r"\[(--[^]]*)\]", r"\1", command).replace("…", "")
    words = [word.replace("URL", "http://db/") if word == "URL" else word for word in shlex.split(plain)[1:]]
    own = words[: words.index("--")] if "--" in words else words
    if own[-1] in {"wait", "migrate", "seed", "perms", "git", "run"}:
        own.append("--help")  # named, not used
    examples = {"TARGET": "db:5432", "tcp://": "tcp://db:5432", "PLAN": "plan.yaml"}
    own = [examples.get(word, word) for word in own]
    if "--help" in own:
        assert initkit(*own).returncode == 0
    else:
        assert parsed(own)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_the_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        linked = (document.parent / path) if path else document
        assert linked.exists(), target
        titles = [
            re.sub(r"[^\w -]", "", t).lower().replace(" ", "-")
            for t in re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
        ]
        assert not anchor or anchor in titles, target


def test_the_exit_codes_of_the_readme_are_the_program_s(tmp_path: Path) -> None:
    table = {
        int(code)
        for row in re.findall(r"^\| ([\d, ]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
        for code in row.split(",")
    }
    never = f"file:{tmp_path}/never"
    seen = {
        initkit("wait", f"file:{tmp_path}").returncode,
        initkit(
            "perms", "--attempts", "1", "--suspect-for", "0", "--file-mode", "0640", f"{tmp_path}/never"
        ).returncode,
        initkit("wait").returncode,
        initkit("--check", "wait", never).returncode,
        initkit("wait", never, "--timeout", "100ms").returncode,
        initkit("wait", f"file:{tmp_path}", "--", str(tmp_path)).returncode,
        initkit("wait", f"file:{tmp_path}", "--", "no-such-program").returncode,
    }
    assert seen | {130, 143} == table


def test_the_scheme_in_contributing_works_as_it_stands(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "CONTRIBUTING.md", "python")
    schemes = tmp_path / "schemes"
    schemes.mkdir()
    (schemes / "entries.py").write_text(example)
    (tmp_path / "one").touch()
    run = f"from initkit.steps.wait import schemes; schemes.__path__.append({str(schemes)!r})\n"
    run += "from initkit.cli.main import main; main()"
    for words, code, said in (
        (["wait", f"entries:{tmp_path}"], 0, "holds 2"),
        (["wait", "entries", str(tmp_path), "--least", "2"], 0, "holds 2"),
        (["wait", "entries", str(tmp_path), "--least", "9", "--timeout", "200ms"], 124, "2 of 9 entries"),
        (["wait", "entries", str(tmp_path), "--least", "some"], 2, "--least: expected a whole number"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", run, *words], env=environment(), capture_output=True, text=True, check=False
        )
        assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
