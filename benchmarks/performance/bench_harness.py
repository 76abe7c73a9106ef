"""What the benchmark harness adds to an endpoint, and how fast a run is taken up again.

The endpoint is a process of its own on loopback that answers after 50 ms. The peer is the same client without the
harness: what is left is the harness's own, environments, records on disk, and the care for order and failures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appo_benchmarks.benchmark import Item
from appo_benchmarks.endpoint import Endpoint
from appo_benchmarks.methods import method_of
from appo_benchmarks.output_file import LineFile
from appo_benchmarks.play import Player, PlaySettings, tasks_of
from appo_benchmarks.record import EpisodeRecord, TurnRecord, to_line
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.runner import pending, run_episodes
from row import Row

EPISODES, CONCURRENCY, RESUMED, ROUNDS = 1920, 64, 10_000, 5
SERVER = """
import asyncio, json
BODY = json.dumps({"choices": [{"message": {"content": "so \\\\boxed{42}"}, "finish_reason": "stop"}]}).encode()
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY)
async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            lengths = [line for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]))
            await asyncio.sleep(0.05)
            writer.write(HEAD + BODY)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def rows() -> Iterator[Row]:
    items = [Item(f"gsm8k/{place}", f"What is {place} plus {place}?", ("42",)) for place in range(EPISODES)]
    with _endpoint() as endpoint:
        # Alternating and the fastest of each, since other work on the machine comes and goes.
        pairs = [(_bare(endpoint, items), _harness(endpoint, items)) for _ in range(ROUNDS)]
    bare, harness = (min(times) for times in zip(*pairs, strict=True))
    name = f"{EPISODES} episodes, {CONCURRENCY} at once, 50 ms an answer"
    yield Row(name, harness, "s", f"the client alone {bare:.3f} s", harness / bare, "< 1.05 of the client alone")
    yield Row(f"taking up {RESUMED} episodes", _resume(), "s", "", float("nan"), "< 5 s")


@contextmanager
def _endpoint() -> Iterator[Endpoint]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Endpoint(f"http://127.0.0.1:{server.stdout.readline().strip()}/v1", "fixed")
        finally:
            server.terminate()


def _bare(endpoint: Endpoint, items: list[Item]) -> float:
    left, lock = iter(items), threading.Lock()

    def ask() -> None:
        while True:
            with lock:
                item = next(left, None)
            if item is None:
                return
            messages = [{"role": "system", "content": "x" * 100}, {"role": "user", "content": item.question}]
            endpoint.complete(messages, temperature=0.6, max_tokens=4096, seed=0)

    threads = [threading.Thread(target=ask) for _ in range(CONCURRENCY)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def _harness(endpoint: Endpoint, items: list[Item]) -> float:
    benchmark, method, tasks = benchmark_of("gsm8k"), method_of("cot"), tasks_of(items)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_episodes(
            items,
            1,
            Path(folder) / "outputs.jsonl",
            lambda: Player(benchmark, tasks, method, None, endpoint, PlaySettings()),
            CONCURRENCY,
        )
        return time.perf_counter() - start


def _resume() -> float:
    items = [Item(f"gsm8k/{place}", "What?", ("42",)) for place in range(RESUMED)]
    turns = tuple([TurnRecord("thought " * 200, "result " * 100, "stop", 500, 200, 1) for _ in range(4)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outputs.jsonl"
        with LineFile(path) as outputs:
            for item in items:
                outputs.append(to_line(EpisodeRecord(item.id, 0, turns, "42", True, False, "", 1.0)))
        start = time.perf_counter()
        with LineFile(path):
            left = pending(items, 1, path)
        if left:
            raise RuntimeError(f"{len(left)} episodes were forgotten")
        return time.perf_counter() - start
