"""Which extra brings a package, and how a command says that it is missing."""

import importlib
from types import ModuleType

import pytest

from appo_agent.commands.main import main
from appo_agent.extras import extra_of


def test_packages_are_found_under_the_names_by_which_they_are_imported() -> None:
    assert extra_of("torch.nn.functional") == "agent"
    assert extra_of("peft") == "lora"
    assert extra_of("starlette") == "serve"


def test_what_every_installation_has_and_what_is_not_ours_belongs_to_no_extra() -> None:
    assert extra_of("gymnasium") is None and extra_of("") is None and extra_of("torchvision") is None


def test_a_command_whose_package_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = "tyro"

    def without(name: str) -> ModuleType:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(importlib, "import_module", without)
    assert main(["train"]) == 2
    assert "tyro is not installed, which `appo train` needs" in (shown := capsys.readouterr().err)
    assert "pip install 'appo-gym[agent]'" in shown and shown.count("\n") == 1
    missing = "appo_agent.no_such_module"
    with pytest.raises(ModuleNotFoundError):
        main(["train"])
