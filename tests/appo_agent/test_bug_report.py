"""What a bug report says, and what it never says."""

import getpass
import socket
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_agent import doctor
from appo_agent.bug_report import PUBLIC_ROOTS, bug_report, without_private
from appo_agent.commands.main import main
from appo_agent.doctor import CheckResult


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("3.11.2 at /home/ada/.venv/bin/python", "3.11.2 at <path>"),
        ("cannot read '/srv/run 1/x'", "cannot read '<path> 1/x'"),
        ("no /proc/self/ns/user", "no /proc/self/ns/user"),
        ("/etc/ssl/certs is empty", "/etc/ssl/certs is empty"),
        ("/etcetera/x is not /etc", "<path> is not /etc"),
        ("its own /tmp, and /tmp/ada", "its own /tmp, and <path>"),
        (r"C:\Users\ada\run", "<path>"),
        ("proxy http://ada:pw@host:80 refused", "proxy http://<secret>@host:80 refused"),
        ("0.5 GiB/s, and/or 1/2", "0.5 GiB/s, and/or 1/2"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
    ],
)
def test_paths_and_credentials_are_left_out(told: str, kept: str) -> None:
    assert without_private(told, {}) == kept


def test_values_of_secret_variables_are_left_out_and_other_values_are_not() -> None:
    environment = {"MY_API_KEY": "abcd", "HF_TOKEN": "abcdefgh", "LANG": "C.UTF-8", "PASS": "no"}
    assert without_private("abcdefgh abcd C.UTF-8 no", environment) == "<secret> <secret> C.UTF-8 no"


def test_names_of_user_and_machine_are_left_out_as_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "lovelace")
    monkeypatch.setattr(socket, "gethostname", lambda: "engine")
    assert without_private("lovelace on engine, the engineer", {}) == "<user> on <machine>, the engineer"


@given(st.from_regex(r"(/[a-z]{1,8}){1,4}", fullmatch=True))
def test_no_path_of_any_depth_gets_through(path: str) -> None:
    if path != "/tmp" and not path.startswith(PUBLIC_ROOTS):
        assert without_private(f"a {path} b", {}) == "a <path> b"


@pytest.fixture
def one_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Iterator[CheckResult]:
        yield CheckResult("thing", "broken", f"{sys.executable} says {'s3cret-value'}", "advice for the person")

    monkeypatch.setattr(doctor, "CHECKS", {"thing": found})
    monkeypatch.setenv("THING_TOKEN", "s3cret-value")


@pytest.mark.usefixtures("one_check")
def test_the_command_prints_results_and_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--report"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("```text\nappo-gym ") and shown.endswith("```\n")
    assert "broken  thing: " in shown and "gymnasium 1." in shown and "torch 2." in shown
    assert "s3cret" not in shown and sys.prefix not in shown


def test_the_report_names_the_platform() -> None:
    lines = bug_report([]).splitlines()
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in lines[1]
    assert lines[2].startswith("Linux ")
