"""The report as a file: it holds everything, loads nothing, and no text of a run becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from appo_agent.report.chunk import QUANTITIES
from appo_agent.report.document import PAGE, SCRIPTS, document, write_document
from appo_agent.report.library import Library
from tests.appo_agent.report.decoding import decode_tree
from tests.appo_agent.report.runs import HOSTILE, hostile_tree, write_run


class _Elements(HTMLParser):
    """Start tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            tag, attributes = self.found[-1]
            self.raw.append((tag, attributes, data))


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    library = Library([write_run(tmp_path / "run", trees=[hostile_tree()])], kept=None)
    return "".join(document(HOSTILE, library.summary(), library.chunks()))


@pytest.mark.parametrize("title", ["{content}", "{style}", "{policy}", "{title}"])
def test_a_title_that_names_a_place_of_the_page_is_a_title(title: str) -> None:
    assert f"<title>{title} · appo view</title>" in "".join(document(title, None))


def test_document_loads_nothing(hostile: str) -> None:
    elements = _Elements(hostile)
    assert {tag for tag, _ in elements.found} == {
        "html", "head", "meta", "title", "style", "body", "noscript", "header", "main", "p", "script",
    }  # fmt: skip
    assert not [tag for tag, attributes in elements.found if {"src", "href", "srcset"} & attributes.keys()]
    code = "".join(text for tag, attributes, text in elements.raw if "type" not in attributes)
    # The namespace of SVG is a name, not an address.
    assert set(re.findall(r"https?://[\w./]+", code)) <= {
        "http://www.w3.org/2000/svg",
        "https://github.com/leeoniya/uPlot",
    }
    assert "@import" not in code
    assert "url(" not in code


def test_policy_allows_our_own_scripts_alone(hostile: str) -> None:
    elements = _Elements(hostile)
    policy = next(a["content"] for t, a in elements.found if a.get("http-equiv") == "Content-Security-Policy") or ""
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    scripts = [text for tag, attributes, text in elements.raw if tag == "script" and "type" not in attributes]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert rules["script-src"] == [f"'sha256-{digest}'" for digest in hashes]
    assert (rules["default-src"], rules["connect-src"]) == (["'none'"], ["'none'"])
    served = "".join(document("title", None))
    assert "connect-src 'self'" in served


def test_data_blocks_hold_the_run_and_nothing_but_base64(hostile: str) -> None:
    elements = _Elements(hostile)
    blocks = {a["id"]: text for tag, a, text in elements.raw if tag == "script" and "type" in a}
    assert len(blocks) == 7
    assert all(re.fullmatch(r"[A-Za-z0-9+/]+=*", text) for text in blocks.values())
    summary = json.loads(zlib.decompress(base64.b64decode(blocks["summary"])))
    assert summary["runs"][0]["files"][-1]["trees"][0]["task"] == HOSTILE
    content = decode_tree(base64.b64decode(blocks["chunk:0/step_000010/0"]))
    assert content.header["rollouts"][0]["turns"][0]["calls"][0]["result"] == f"{HOSTILE} {'x' * 1_000_000}"


def test_no_hostile_text_is_in_the_markup(hostile: str) -> None:
    assert "window.broken" not in hostile.replace("&#x27;", "'").split("</title>")[1]
    title = hostile.split("<title>")[1].split("</title>")[0]
    assert "<" not in title


def test_run_directory_with_a_hostile_name_stays_text(tmp_path: Path) -> None:
    run = write_run(tmp_path / "<script>alert(1)<!--\"'>")
    (run / "records/step_000010.msgpack").rename(run / "records/step_\"><script>10'.msgpack")
    library = Library([run], kept=None)
    elements = _Elements("".join(document(library.title, library.summary(), library.chunks())))
    scripts = [attributes for tag, attributes in elements.found if tag == "script"]
    assert len([attributes for attributes in scripts if "type" not in attributes]) == 2
    assert "chunk:0/step_\"><script>10'/0" in {attributes.get("id") for attributes in scripts}


def test_same_run_gives_the_same_bytes_and_no_half_file_is_left(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    sizes = []
    for name in ("a.html", "b.html"):
        library = Library([run], kept=None)
        sizes.append(write_document(tmp_path / name, library.title, library.summary(), library.chunks()))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sizes[0] == (tmp_path / "a.html").stat().st_size
    with pytest.raises(OSError):
        write_document(tmp_path / "nowhere/a.html", "", Library([run]).summary(), [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html", "run"]


def test_every_script_is_listed_and_defines_its_own_name() -> None:
    assert sorted(SCRIPTS) == sorted(path.stem for path in PAGE.glob("*.js"))
    for name in SCRIPTS:
        text = (PAGE / f"{name}.js").read_text(encoding="utf-8")
        assert re.findall(r"^const (\w+) = ", text, re.MULTILINE) == [name]
        assert text.count("\n") < 400


def test_scripts_never_make_markup_of_text() -> None:
    source = "".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert forbidden not in source


def test_page_knows_every_quantity() -> None:
    source = (PAGE / "data.js").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^    (\w+): \{\s+label", source, re.MULTILINE)) == QUANTITIES


def test_library_of_the_charts_comes_with_its_licence_and_is_small() -> None:
    vendor = PAGE / "vendor"
    assert "MIT License" in (vendor / "uPlot.LICENSE").read_text()
    assert sum(path.stat().st_size for path in vendor.iterdir()) < 300_000
