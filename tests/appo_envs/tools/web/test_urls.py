"""URLs as models write them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appo_envs.errors import ToolError
from appo_envs.tools.web.urls import MAX_URL_CHARS, WebUrl, parse_url


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://example.org", WebUrl("http", "example.org", 80, "/")),
        (" HTTPS://Example.ORG/a?b=c#d\n", WebUrl("https", "example.org", 443, "/a?b=c")),
        ("https://example.org:8443/", WebUrl("https", "example.org", 8443, "/")),
        ("http://[2606:4700::1111]/x", WebUrl("http", "2606:4700::1111", 80, "/x")),
        ("https://bücher.example/straße?q=ü", WebUrl("https", "xn--bcher-kva.example", 443, "/stra%C3%9Fe?q=%C3%BC")),
        ("https://example.org/a%20b?c=%2F", WebUrl("https", "example.org", 443, "/a%20b?c=%2F")),
        ("http://2130706433/", WebUrl("http", "2130706433", 80, "/")),
    ],
)
def test_the_parts_of_a_url(written: str, url: WebUrl) -> None:
    assert parse_url(written) == url


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "begins with http"),
        ("example.org", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("ftp://example.org/", "begins with http"),
        ("javascript:alert(1)", "begins with http"),
        ("data:text/html,hi", "begins with http"),
        ("http://", "begins with http"),
        ("http:///path", "begins with http"),
        ("http://user:secret@example.org/", "user name"),
        ("http://example.org\\@127.0.0.1/", "user name"),
        ("http://exam ple.org/", "blanks"),
        ("http://example.org/\r\nHost: internal", "blanks"),
        ("http://example.org:99999/", "no URL"),
        ("http://example.org:0/", "port 0"),
        ("http://[::1/", "no URL"),
        ("http://ex<ample.org/", "no such host"),
        ("http://" + "a" * 64 + ".org/", "no such host"),
        ("http://example.org/" + "a" * MAX_URL_CHARS, "are the most"),
    ],
)
def test_what_cannot_be_visited_is_refused_in_words(written: str, problem: str) -> None:
    with pytest.raises(ToolError, match=problem):
        parse_url(written)


def test_the_host_header_names_the_port_only_where_it_is_not_the_usual_one() -> None:
    assert parse_url("http://example.org:80/").authority == "example.org"
    assert parse_url("https://example.org:80/").authority == "example.org:80"
    assert parse_url("http://[::1]:8000/").authority == "[::1]:8000"


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("/b", "http://example.org/b"),
        ("c?d", "http://example.org/a/c?d"),
        ("//other.org/", "http://other.org/"),
        ("https://other.org", "https://other.org/"),
    ],
)
def test_a_reference_is_relative_to_its_page(reference: str, target: str) -> None:
    assert str(parse_url("http://example.org/a/b?c").join(reference)) == target


@pytest.mark.parametrize("reference", ["file:///etc/passwd", "http://[bad", "mailto:a@b", "http://u@h/"])
def test_a_reference_that_cannot_be_visited_is_refused(reference: str) -> None:
    with pytest.raises(ToolError):
        parse_url("http://example.org/").join(reference)


@given(st.text())
@example("[#")
def test_any_text_is_a_url_in_ascii_or_an_error(text: str) -> None:
    for written in (text, f"http://{text}", f"http://example.org/{text}"):
        try:
            url = parse_url(written)
        except ToolError:
            continue
        assert str(url).isascii() and url.target.startswith("/") and parse_url(str(url)) == url
