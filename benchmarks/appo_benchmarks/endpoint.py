"""An OpenAI-compatible chat endpoint: asking, waiting, and telling a bad answer from a dead server.

Owns HTTP. The standard library's client, with a connection a thread, is the lightest there is, which decides how
much a harness adds to an endpoint that answers within milliseconds. The key is sent and never stored.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from appo_benchmarks.errors import BenchmarkError, EndpointDown

T = TypeVar("T")
RETRIED = (408, 409, 429, 500, 502, 503, 504)
BUSY = (429, 503)
FATAL = (401, 403, 404, 405)
EXAMPLE = "http://127.0.0.1:8000/v1"


class Completion(NamedTuple):
    """One answer.

    Attributes:
        text: of the model.
        finish: why it ended, such as "stop" or "length".
        prompt_tokens: as the endpoint counts; 0 where it does not.
        completion_tokens: likewise.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Patience:
    """How long an endpoint is given.

    Attributes:
        seconds: for one answer, above 0.
        attempts: tries of one request, at least 1; those that a busy endpoint turns away while it answers others do not
            count.
        pause: seconds before the second try, doubled before each later one, at least 0.
        longest_pause: seconds; a server that asks for more in Retry-After gets this.
    """

    seconds: float = 600.0
    attempts: int = 6
    pause: float = 0.5
    longest_pause: float = 30.0

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.attempts < 1 or self.pause < 0 or self.longest_pause < 0:
            raise ValueError(f"seconds must be above 0, attempts at least 1, pauses at least 0, got {self}")


class RequestRefused(BenchmarkError):
    """The endpoint works, but not for this request: a prompt that is too long, or nonsense time after time."""


class _Trouble(NamedTuple):
    """Why an attempt led to nothing.

    Attributes:
        problem: in words.
        is_nonsense: there was an answer, but no completion.
        is_busy: the endpoint asks to come again.
        retry_after: seconds that it asks to wait.
    """

    problem: str
    is_nonsense: bool = False
    is_busy: bool = False
    retry_after: float = 0.0


class Endpoint:
    """Asks one model. May be shared by threads.

    Args:
        url: up to and including "/v1".
        model: as the endpoint names it; None asks for the only or first one.
        key: sent as a bearer token, without white space at its ends; empty sends none.
        patience: with the endpoint.

    Raises:
        BenchmarkError: the address is none, or the key cannot be sent.
        EndpointDown: there is no model name, and the endpoint does not tell.
    """

    def __init__(self, url: str, model: str | None = None, key: str = "", patience: Patience | None = None) -> None:
        parts, port = _read_address(url)
        if parts.username or parts.password or parts.query:
            raise BenchmarkError("an address with a name, a password or a query would be stored; give a key instead")
        key = key.strip()
        if not (key.isascii() and key.isprintable()):
            # The key is a secret, and no message says it.
            raise BenchmarkError(f"the key for {url} has signs that are no printable ASCII; look at its variable")
        self._https, self._host, self._port = parts.scheme == "https", parts.hostname or "", port
        self._path = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._patience = patience or Patience()
        self._local, self._lock = threading.local(), threading.Lock()
        # Requests of all threads that were answered.
        self._answered = 0
        self.url = url
        self.model = model or self._first_model()

    def complete(
        self,
        messages: Sequence[Mapping[str, object]],
        *,
        temperature: float,
        max_tokens: int,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Completion:
        """One answer to a conversation.

        Args:
            messages: the conversation, as the OpenAI API takes it.
            temperature: at least 0.
            max_tokens: of the answer.
            stop: texts that end it.
            seed: of the endpoint's sampling.

        Raises:
            RequestRefused: the endpoint does not answer this request.
            EndpointDown: it answers no request.
        """
        body: dict[str, object] = {
            "model": self.model,
            "messages": messages,
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
        body |= {"stop": list(stop)} if stop else {}
        body |= {"seed": seed} if seed is not None else {}
        return self._patiently("POST", "/chat/completions", json.dumps(body).encode(), _completion)

    def _first_model(self) -> str:
        return self._patiently("GET", "/models", None, _model)

    def _patiently(self, verb: str, path: str, body: bytes | None, read: Callable[[dict[str, Any]], T]) -> T:
        left, pause, answered = self._patience.attempts, self._patience.pause, self._answered
        while True:
            found = self._attempt(verb, path, body, read)
            if not isinstance(found, _Trouble):
                with self._lock:
                    self._answered += 1
                return found
            others = self._answered != answered
            # A limit on rates lets others through, and this request sooner or later.
            left -= not (found.is_busy and others)
            if not left:
                raise self._given_up(path, found, others)
            answered = self._answered
            time.sleep(min(max(pause, found.retry_after), self._patience.longest_pause))
            pause *= 2

    def _attempt(self, verb: str, path: str, body: bytes | None, read: Callable[[dict[str, Any]], T]) -> T | _Trouble:
        try:
            status, retry_after, content = self._request(verb, path, body)
        except (OSError, http.client.HTTPException) as error:
            return _Trouble(f"{type(error).__name__}: {error}")
        shown = content[:300].decode("utf-8", "replace")
        if status in FATAL:
            raise EndpointDown(f"{self.url}{path} answers {status}: {shown}; check address, model and key")
        if status in RETRIED:
            return _Trouble(f"{status}: {shown}", is_busy=status in BUSY, retry_after=retry_after)
        if status != 200:
            raise RequestRefused(f"the endpoint answers {status}: {shown}")
        try:
            return read(json.loads(content))
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError) as error:
            problem = f"expected a completion, got {shown!r} ({type(error).__name__}: {error})"
            return _Trouble(problem, is_nonsense=True)

    def _given_up(self, path: str, trouble: _Trouble, others: bool) -> BenchmarkError:
        tried = f"{self._patience.attempts} attempts"
        if trouble.is_nonsense:
            return RequestRefused(f"nonsense in {tried}: {trouble.problem}")
        if others:
            # It is this request that breaks the server, and must not keep the others from being made.
            return RequestRefused(f"others are answered, this request is not after {tried}: {trouble.problem}")
        return EndpointDown(f"{self.url}{path} does not answer after {tried}; the last problem: {trouble.problem}")

    def _request(self, verb: str, path: str, body: bytes | None) -> tuple[int, float, bytes]:
        idle = getattr(self._local, "connection", None) is not None
        try:
            return self._exchange(verb, path, body)
        except ConnectionError:
            # Servers close connections that were idle for seconds, such as while a tool ran; that is no failure.
            if not idle:
                raise
            return self._exchange(verb, path, body)

    def _exchange(self, verb: str, path: str, body: bytes | None) -> tuple[int, float, bytes]:
        connection = self._connection()
        try:
            connection.request(verb, self._path + path, body, self._headers)
            response = connection.getresponse()
            return response.status, _seconds(response.getheader("Retry-After")), response.read()
        except (OSError, http.client.HTTPException):
            # Its state is unknown now; the next request opens another.
            connection.close()
            self._local.connection = None
            raise

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
            connection = kind(self._host, self._port, timeout=self._patience.seconds)
            self._local.connection = connection
        return connection


def _read_address(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        # What a connection would do first, where a name such as "a..b" is an error that tells no address.
        name = (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError as error:
        raise BenchmarkError(f"expected an address such as {EXAMPLE}, got {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not name:
        raise BenchmarkError(f"expected an address such as {EXAMPLE}, got {url!r}")
    return parts, port


def _model(answer: dict[str, Any]) -> str:
    return str(answer["data"][0]["id"])


def _completion(answer: dict[str, Any]) -> Completion:
    choices = answer["choices"]
    if not isinstance(choices, list) or not isinstance(choices[0]["message"], dict):
        raise TypeError("no choices")
    text = choices[0]["message"].get("content")
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise TypeError("the content is no text")
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        text,
        str(choices[0].get("finish_reason") or "stop"),
        int(counts.get("prompt_tokens") or 0),
        int(counts.get("completion_tokens") or 0),
    )


def _seconds(written: str | None) -> float:
    # Retry-After may also be a date, which is no reason to wait longer than we would.
    return float(written) if written is not None and written.strip().isdigit() else 0.0
