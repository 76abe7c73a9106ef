"""The words that the trainer, the template and the sessions exchange, and how a word becomes a packet.

One message is one packet of UTF-8 JSON: `["Kind", field, ...]`. The trainer reads what model-written code may
have forged, so `decode` accepts exactly the declared kinds, numbers of fields and types, and nothing else. How
packets travel, and who sent one, is `packets`'s. What the messages cause is up to `worker`, `template` and the
trainer's `process`.
"""

import itertools
import json
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, get_args

from .isolation.features import FeatureReport
from .packets import MAX_PACKET, ProtocolError, send_packet

# json.dumps would make a new encoder for every message.
_to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
# json.loads would look for a byte-order mark and for white space, which no packet has.
_from_json = json.JSONDecoder().raw_decode


class OpenFile(NamedTuple):
    """A descriptor that a fork must open again on its own copy of the file.

    `deleted` says that the path is a stand-in for a file without a name, to be removed once it is open.
    """

    descriptor: int
    path: str
    flags: int
    offset: int
    deleted: bool


class Configure(NamedTuple):
    """Trainer to template, first: the settings, and the folders of installed packages."""

    settings: str
    site_folders: list[str]


class Probed(NamedTuple):
    """Template to trainer: which isolation features work; none when they are not wanted."""

    reports: list[FeatureReport]


class Start(NamedTuple):
    """Trainer to template: import the modules and use these features.

    `scratch` is the folder for sessions' folders, empty where every session has a private /tmp.
    """

    features: list[str]
    scratch: str


class Ready(NamedTuple):
    """Template or session to trainer: it is set up."""


class Failed(NamedTuple):
    """Template or session to trainer: it cannot be set up, or cannot do what was asked; the text says why."""

    reason: str


class Refused(NamedTuple):
    """Template to trainer: the request cannot be carried out; the text says why."""

    number: int
    reason: str


class Spawn(NamedTuple):
    """Trainer to template: fork a session that works in `scratch`; its channel comes along."""

    number: int
    scratch: str


class Furnish(NamedTuple):
    """Trainer to template: give a fork its private /tmp, then its own channel.

    `stacked` is how many /tmp lie over each other in its parent. Along come its process, our end of the channel
    that it greeted on, and its end of its own.
    """

    number: int
    stacked: int


class Furnished(NamedTuple):
    """Template to trainer: a fork has its own /tmp, and was told to proceed.

    The fork must open `files` again and `cut` the other descriptors; `stacked` /tmp lie over each other in
    it; the /tmp of its parent is on device `old_device`, and held files or not.
    """

    number: int
    files: list[OpenFile]
    cut: list[int]
    stacked: int
    old_device: int
    old_had_files: bool


class Sweep(NamedTuple):
    """Trainer to template: find the children of `parent` and the orphans; kill those among `condemned`."""

    number: int
    parent: int
    condemned: list[int]


class Swept(NamedTuple):
    """Template to trainer: the processes that were found."""

    number: int
    found: list[int]


class Done(NamedTuple):
    """Template to trainer: the request was carried out."""

    number: int


class Run(NamedTuple):
    """Trainer to session: run this code; the soft time-out in seconds."""

    number: int
    code: str
    seconds: float


class Ran(NamedTuple):
    """Session to trainer: what the code did. All of it is a claim by the session."""

    number: int
    stdout: str
    value: str | None
    error: str | None
    timed_out: bool
    threads: int


class Fork(NamedTuple):
    """Trainer to session: fork once for each of the channels that come along; the forks answer by greeting."""

    scratches: list[str]


class Explain(NamedTuple):
    """Trainer to session, when not all forks greeted: what stopped them?"""

    number: int


class Explained(NamedTuple):
    """Session to trainer: what stopped the last forks; None if nothing stopped it from making them all."""

    number: int
    error: str | None


class Hello(NamedTuple):
    """New fork to trainer; `stage` is 1 on the channel from its parent and 2 on its own."""

    stage: int


class Proceed(NamedTuple):
    """Template to new fork, or the trainer where /tmp is not private: your surroundings are ready.

    It must open `files` again and `cut` the other descriptors; its own channel comes along.
    """

    files: list[OpenFile]
    cut: list[int]


Message = (
    Configure
    | Probed
    | Start
    | Ready
    | Failed
    | Refused
    | Spawn
    | Furnish
    | Furnished
    | Sweep
    | Swept
    | Done
    | Run
    | Ran
    | Fork
    | Explain
    | Explained
    | Hello
    | Proceed
)
M = TypeVar("M", bound=Message)


def _exactly(*allowed: type) -> Callable[[object], object]:
    # isinstance() would take True for an int.
    def check(value: object) -> object:
        if type(value) not in allowed:
            raise TypeError(f"expected {allowed}")
        return value

    return check


def _list_of(kind: type) -> Callable[[object], object]:
    """Reads a list of single values."""

    def read(value: object) -> object:
        if type(value) is not list or any(type(item) is not kind for item in value):
            raise TypeError(f"expected a list of {kind.__name__}")
        return value

    return read


def _rows_of(kind: type[OpenFile] | type[FeatureReport], *types: type) -> Callable[[object], object]:
    """Reads a list of rows, each with one value a field."""

    def read(value: object) -> object:
        if type(value) is not list:
            raise TypeError(f"expected a list of {kind.__name__}")
        for row in value:
            if type(row) is not list or [type(part) for part in row] != list(types):
                raise TypeError(f"expected the fields {kind._fields}")
        return [kind._make(row) for row in value]

    return read


_READERS: dict[object, Callable[[object], object]] = {
    int: _exactly(int),
    float: _exactly(int, float),
    bool: _exactly(bool),
    str: _exactly(str),
    str | None: _exactly(str, type(None)),
    list[str]: _list_of(str),
    list[int]: _list_of(int),
    list[OpenFile]: _rows_of(OpenFile, int, str, int, int, bool),
    list[FeatureReport]: _rows_of(FeatureReport, str, bool, str),
}
_FIELDS = {kind: tuple(_READERS[part] for part in kind.__annotations__.values()) for kind in get_args(Message)}
_VALUES: dict[object, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    bool: (bool,),
    str: (str,),
    str | None: (str, type(None)),
}
# The types that the fields may have together, for messages of single values: one look instead of one a field.
_SHAPES = {
    kind: frozenset(itertools.product(*(_VALUES.get(part, ()) for part in kind.__annotations__.values())))
    for kind in get_args(Message)
}


def encode(message: Message) -> bytes:
    """A message as the bytes of one packet.

    Lone surrogates, which model-written text may hold, pass through unharmed.

    Raises:
        ProtocolError: the packet would be longer than MAX_PACKET.
    """
    data = _to_json((type(message).__name__, *message)).encode("utf-8", "surrogatepass")
    if len(data) > MAX_PACKET:
        raise ProtocolError(f"a {type(message).__name__} message may have {MAX_PACKET} bytes, this one has {len(data)}")
    return data


def decode(data: bytes, *kinds: type[M]) -> M:
    """The message in a packet, which must be one of `kinds`.

    Raises:
        ProtocolError: the bytes are no JSON, or another message, or have missing, extra or mistyped fields.
    """
    try:
        text = data.decode("utf-8", "surrogatepass")
        parts, end = _from_json(text)
        if end != len(text):
            raise ValueError(f"something follows after character {end}")
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"expected a JSON message, got {data[:80]!r}") from error
    name = parts.pop(0) if type(parts) is list and parts else None
    for kind in kinds:
        if kind.__name__ == name:
            break
    else:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ProtocolError(f"expected {names}, got {data[:80]!r}")
    if tuple(map(type, parts)) in _SHAPES[kind]:
        return kind._make(parts)
    readers = _FIELDS[kind]
    if len(parts) != len(readers):
        raise ProtocolError(f"{kind.__name__} has {len(readers)} fields, got {data[:80]!r}")
    try:
        return kind._make([read(value) for read, value in zip(readers, parts, strict=True)])
    except TypeError as error:
        raise ProtocolError(f"{error} in {kind.__name__}, got {data[:80]!r}") from error


def send(end: socket.socket, message: Message, descriptors: Sequence[int] = (), *, wait: bool = True) -> None:
    """Send one message as a packet, with copies of open descriptors; `packets.send_packet` says the rest.

    Raises:
        ProtocolError: the message is too long for a packet.
        BlockingIOError: the other side does not read, and this one does not wait.
        OSError: the other side is gone.
    """
    send_packet(end, encode(message), descriptors, wait=wait)
