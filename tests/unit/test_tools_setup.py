"""tools/setup.py works once, again when an input changed, and names what to install when it cannot go on."""

import os
import shutil
from pathlib import Path

import pytest

from tools import setup


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    (tmp_path / ".venv").mkdir()
    (tmp_path / "input.txt").write_text("first")
    return tmp_path


class Work:
    """A step's work that counts its runs and may fail."""

    def __init__(self, checkout: Path, fails: bool = False) -> None:
        self.runs, self.fails = 0, fails
        self.output = checkout / "output"

    def step(self, optional: str | None = None) -> setup.Step:
        return setup.Step("the step", self.work, [self.output.parent / "input.txt"], [self.output], optional)

    def work(self) -> None:
        self.runs += 1
        if self.fails:
            raise setup.StepFailed("`tool` failed:\nno such host")
        self.output.touch()


def test_a_step_runs_once_while_nothing_changes(checkout):
    work = Work(checkout)
    assert [setup.run(work.step()) for _ in range(3)] == [True, False, False]
    assert work.runs == 1


def test_a_step_runs_again_when_the_content_of_an_input_changes(checkout):
    work = Work(checkout)
    setup.run(work.step())
    (checkout / "input.txt").write_text("second")
    assert setup.run(work.step()) and work.runs == 2


def test_touching_an_input_is_no_change(checkout):
    work = Work(checkout)
    setup.run(work.step())
    (checkout / "input.txt").write_text("first")
    assert not setup.run(work.step())


def test_a_step_runs_again_when_its_output_is_gone(checkout):
    work = Work(checkout)
    setup.run(work.step())
    work.output.unlink()
    assert setup.run(work.step()) and work.runs == 2


def test_a_failed_step_ends_the_setup_and_is_tried_again(checkout):
    work = Work(checkout, fails=True)
    with pytest.raises(setup.StepFailed, match="no such host"):
        setup.run(work.step())
    work.fails = False
    assert setup.run(work.step())


def test_a_failed_optional_step_is_a_notice_and_is_tried_again(checkout, capsys):
    work = Work(checkout, fails=True)
    assert setup.run(work.step(optional="the generator is used"))
    assert "the step not available, so the generator is used (no such host)" in capsys.readouterr().out
    work.fails = False
    assert setup.run(work.step(optional="the generator is used"))


@pytest.mark.parametrize(
    ("absent", "goal", "install"),
    [
        ("cargo", "run", "install Rust"),
        ("cc", "run", "install gcc"),
        ("cargo-clippy", "test", "rustup component add rustfmt clippy"),
        ("cargo-fmt", "test", "rustup component add rustfmt clippy"),
    ],
)
def test_a_missing_essential_is_named_with_what_to_install(checkout, monkeypatch, absent, goal, install):
    present_but(absent, monkeypatch)
    with pytest.raises(setup.Missing, match=install):
        setup.check_essentials(goal)


def test_running_needs_no_linter(checkout, monkeypatch):
    present_but("cargo-clippy", monkeypatch)
    setup.check_essentials("run")


def test_a_user_without_root_is_told_what_is_skipped(monkeypatch, capsys):
    present_but("strace", monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    setup.provide(setup.TRACER)
    assert "strace is missing, so the traced-run test is skipped" in capsys.readouterr().out


def test_root_on_debian_gets_what_is_missing(monkeypatch, capsys):
    ran: list[str] = []
    present_but("strace", monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(setup, "command", lambda *words: ran.append(" ".join(words)))
    setup.provide(setup.TRACER)
    assert ran[0].startswith("apt-get update") and ran[1].endswith("strace")
    assert "Debian package strace" in capsys.readouterr().out


def present_but(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == absent else f"/usr/bin/{name}")
