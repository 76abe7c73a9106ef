"""An endpoint that works, hesitates, talks nonsense, or is not there."""

import json
import socket
import threading
import time
from collections.abc import Callable

import pytest
from appo_benchmarks.endpoint import Completion, Endpoint, Patience, RequestRefused
from appo_benchmarks.errors import BenchmarkError, EndpointDown

from tests.benchmarks.chat_server import Reply, said, serving

QUICK = Patience(seconds=5, attempts=3, pause=0, longest_pause=0)
HELLO = [{"role": "user", "content": "hello"}]


def ask(url: str, patience: Patience = QUICK) -> Completion:
    return Endpoint(url, "m", "secret", patience).complete(HELLO, temperature=0.5, max_tokens=7, stop=("!",), seed=3)


def test_a_request_says_all_that_was_asked_for() -> None:
    with serving(lambda body: "hi") as server:
        assert ask(server.url) == Completion("hi", "stop", 10, 5)
    assert server.keys == ["Bearer secret"]
    assert server.asked == [
        {"model": "m", "messages": HELLO, "temperature": 0.5, "max_tokens": 7, "stop": ["!"], "seed": 3}
    ]


def test_the_first_model_is_taken_when_none_is_named() -> None:
    with serving(lambda body: "hi") as server:
        assert Endpoint(server.url, patience=QUICK).model == "scripted"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_hesitates_is_asked_again(status: int) -> None:
    replies = [Reply(status, b"later", "0"), Reply(status, b"later"), said("now")]
    with serving(lambda body: replies.pop(0)) as server:
        assert ask(server.url).text == "now"


def test_a_server_that_never_stops_to_hesitate_is_down() -> None:
    with serving(lambda body: Reply(429, b"slow down")) as server:
        with pytest.raises(EndpointDown, match="does not answer after 3 attempts; the last problem: 429: slow down"):
            ask(server.url)
        assert len(server.asked) == 3


@pytest.mark.parametrize("status", [401, 404])
def test_a_wrong_key_or_address_is_not_tried_again(status: int) -> None:
    with serving(lambda body: Reply(status, b"no")) as server:
        with pytest.raises(EndpointDown, match=f"answers {status}: no; check address, model and key"):
            ask(server.url)
        assert len(server.asked) == 1


def test_a_request_that_is_refused_is_no_reason_to_stop() -> None:
    with serving(lambda body: Reply(400, b"prompt too long")) as server:
        with pytest.raises(RequestRefused, match="400: prompt too long"):
            ask(server.url)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": 5}}]}']
)
def test_nonsense_is_refused_after_some_attempts(body: bytes) -> None:
    with (
        serving(lambda asked: Reply(200, body)) as server,
        pytest.raises(RequestRefused, match="nonsense in 3 attempts"),
    ):
        ask(server.url)


def test_a_null_content_is_an_empty_text_and_missing_usage_is_zero() -> None:
    body = json.dumps({"choices": [{"message": {"content": None}, "finish_reason": "length"}]}).encode()
    with serving(lambda asked: Reply(200, body)) as server:
        assert ask(server.url) == Completion("", "length", 0, 0)


def test_nobody_there_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EndpointDown, match="ConnectionRefusedError"):
        ask(f"http://127.0.0.1:{port}/v1")


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    body = said("hi").body
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once_a_connection() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=answer_once_a_connection)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        endpoint = Endpoint(url, "m", patience=Patience(seconds=5, attempts=1))
        for _ in range(2):
            assert endpoint.complete([], temperature=1, max_tokens=1).text == "hi"
            time.sleep(0.05)
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://x/v1",
        "http:///v1",
        "http://me:pw@127.0.0.1/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:x/v1",
        "http://[::1/v1",
        "http://./v1",
        "http://a..b/v1",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BenchmarkError):
        Endpoint(url, "m")


def test_a_key_is_sent_without_the_end_of_its_line() -> None:
    with serving(lambda body: "hi") as server:
        Endpoint(server.url, "m", " secret\n", QUICK).complete(HELLO, temperature=1, max_tokens=1)
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize("key", ["sec\nret", "sec\x00ret", "sécret", "secret\u200b"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(BenchmarkError, match="printable ASCII") as caught:
        Endpoint("http://127.0.0.1:9/v1", "m", key)
    assert "ret" not in str(caught.value)


def test_numbers_that_are_none_are_nonsense_too() -> None:
    body = b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": Infinity}}'
    with (
        serving(lambda asked: Reply(200, body)) as server,
        pytest.raises(RequestRefused, match="nonsense in 3 attempts"),
    ):
        ask(server.url)
    deep = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with (
        serving(lambda asked: Reply(200, deep)) as server,
        pytest.raises(RequestRefused, match="nonsense in 3 attempts"),
    ):
        ask(server.url)


def one_odd(replies: Callable[[], Reply | str]) -> tuple[list[str], list[str]]:
    """What an odd request gets while others are answered one after the other: its answers and its errors."""
    with serving(lambda body: replies() if body["messages"][0]["content"] == "odd" else "fine") as server:
        endpoint = Endpoint(server.url, "m", patience=Patience(seconds=5, attempts=3, pause=0.05, longest_pause=0.05))
        answers: list[str] = []
        errors: list[str] = []
        over = threading.Event()

        def ask_others() -> None:
            while not over.is_set():
                endpoint.complete([{"role": "user", "content": "plain"}], temperature=1, max_tokens=9)

        others = threading.Thread(target=ask_others)
        others.start()
        try:
            answers.append(endpoint.complete([{"role": "user", "content": "odd"}], temperature=1, max_tokens=9).text)
        except RequestRefused as error:
            errors.append(str(error))
        finally:
            over.set()
            others.join()
        return answers, errors


def test_a_request_that_alone_breaks_the_server_is_refused_and_does_not_stop_the_others() -> None:
    answers, (error,) = one_odd(lambda: Reply(500, b"out of memory"))
    assert not answers and "others are answered, this request is not after 3 attempts: 500: out of memory" in error


def test_a_limit_on_rates_is_waited_for_while_it_lets_others_through() -> None:
    replies = [*[Reply(429, b"slow down")] * 8, said("at last")]
    assert one_odd(lambda: replies.pop(0)) == (["at last"], [])
