"""URLs as models write them.

Owns what a URL must look like, and its parts; whether its host may be reached belongs to `addresses.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from appo_envs.errors import ToolError

MAX_URL_CHARS = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}

# Everything that may stand in a path or query as it is, and the sign of what is quoted already.
_SAFE = "/?%:@!$&'()*+,;=~-._"
_BLANK = re.compile(r"[\x00-\x20\x7f]")


class WebUrl(NamedTuple):
    """The parts of a URL that a request needs.

    Attributes:
        scheme: "http" or "https".
        host: a name in ASCII or an address, without brackets.
        port: given or the scheme's.
        target: path and query, at least "/".
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def join(self, reference: str) -> WebUrl:
        """Where a redirect or link on this page leads.

        Raises:
            ToolError: nowhere that can be visited.
        """
        try:
            return parse_url(urljoin(str(self), reference.strip()))
        except ValueError:
            raise ToolError(f"error : {reference!r:.80} is no URL") from None


def parse_url(url: str) -> WebUrl:
    """The parts of an absolute URL; a fragment is dropped.

    Raises:
        ToolError: it is not a complete http or https URL without a user name.
    """
    url = url.strip().partition("#")[0]
    shown = repr(url[:80])
    if len(url) > MAX_URL_CHARS:
        raise ToolError(f"error : the URL has {len(url)} characters ; {MAX_URL_CHARS} are the most")
    if _BLANK.search(url):
        raise ToolError(f"error : {shown} is no URL : it holds blanks ; write one URL and nothing else")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ToolError(f"error : {shown} is no URL : {error}") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ToolError(
            f"error : {shown} cannot be visited ; write a complete URL that begins with http:// or https://"
        )
    if parts.username is not None or parts.password is not None:
        raise ToolError(f"error : {shown} holds a user name ; leave it out")
    if port == 0:
        raise ToolError(f"error : {shown} is no URL : there is no port 0")
    target = quote(parts.path or "/", safe=_SAFE, errors="replace")
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE, errors="replace")
    return WebUrl(parts.scheme, _ascii_host(parts.hostname, shown), port or DEFAULT_PORTS[parts.scheme], target)


def _ascii_host(host: str, shown: str) -> str:
    if ":" in host:
        return host
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ToolError(f"error : {shown} is no URL : there can be no such host") from None
    if not re.fullmatch(r"[a-z0-9._-]+", name):
        raise ToolError(f"error : {shown} is no URL : there can be no such host")
    return name
