# SPDX-License-Identifier: Apache-2.0
"""
Bytes that a remote may send for an answer: sound HTTP, HTTP with something odd in it, and no HTTP at all.

``anything`` is the strategy for all of them, ``token_answers`` makes bodies that look like OAuth tokens.
"""

from __future__ import annotations

import gzip
import json
import zlib

from hypothesis import strategies as st

from tests.support.raw_server import PLAIN

#: Bodies are about so large (bytes): one less and one more, and ten times as much.
LARGEST = 20_000

some_bytes = st.binary(max_size=40)
words = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=12).map(
    lambda text: text.encode("latin-1")
)

status_lines = st.builds(
    lambda version, code, reason: b" ".join([version, code, reason]),
    st.sampled_from([b"HTTP/1.1"] * 20 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2", b"http/1.1", b"ICY"]),
    st.sampled_from(
        [b"200"] * 20
        + [b"%d" % code for code in (100, 101, 103, 199, 201, 202, 204, 205, 206, 301, 302, 304, 307, 308)]
        + [b"400", b"401", b"403", b"404", b"429", b"500", b"503", b"599", b"600", b"999"]
        + [b"0", b"99", b"1000", b"-1", b"+200", b"2 0", b"2e2", b"\xb2\xb2\xb2", b""]
    ),
    words,
)  # fmt: skip

numbers = st.sampled_from(
    [
        *(b"0", b"1", b"5", b"20", b"20001", b"-1", b"+5", b"5, 5", b"5, 6", b"0x5", b"5 ", b"", b"1e3"),
        *(b"\xb2", b"9" * 30, b"9" * 5000, b"NaN", b"1_0"),
    ]
)
headers = st.one_of(
    st.tuples(st.just(b"Content-Length"), numbers),
    st.tuples(
        st.just(b"Transfer-Encoding"),
        st.sampled_from([b"chunked"] * 4 + [b"Chunked", b"gzip, chunked", b"chunked, chunked", b"x"]),
    ),
    st.tuples(
        st.just(b"Content-Encoding"),
        st.sampled_from(
            [b"gzip"] * 3 + [b"deflate", b"br", b"zstd", b"gzip, gzip", b", ".join([b"gzip"] * 50), b"x"]
        ),
    ),
    st.tuples(
        st.just(b"Location"),
        st.sampled_from([b"/fuzz", b"/x", b"http://127.0.0.1:1/", b"//", b"http://[", b"\xff", b"?a", b""]),
    ),
    st.tuples(st.just(b"Connection"), st.sampled_from([b"close", b"keep-alive", b"upgrade", b"\x00"])),
    st.tuples(st.just(b"Retry-After"), numbers),
    st.tuples(
        st.just(b"Content-Type"),
        st.sampled_from([b"application/json", b"text/html; charset=\xff", b"text/x; charset=utf-7", b";"]),
    ),
    st.tuples(
        st.sampled_from([b"Set-Cookie", b"Upgrade", b"Trailer", b"Date", b"WWW-Authenticate", b"X-Y"]),
        words,
    ),
    st.tuples(st.just(b"X-Long"), st.integers(0, 80_000).map(lambda size: b"x" * size)),
    st.tuples(words, words),
)  # fmt: skip
separators = st.sampled_from([b": "] * 40 + [b":", b" : ", b":\r\n ", b"", b" ", b":\t\x0b"])
line_ends = st.sampled_from([b"\r\n"] * 60 + [b"\n", b"\r", b"\r\r\n", b"\r\n\t", b"\x00\r\n", b"\n\r\n"])

TOKEN = {"access_token": "t-1", "expires_in": 3600, "token_type": "Bearer"}
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("t" * 9000)
token_answers = st.one_of(
    st.just(TOKEN),
    st.builds(lambda name, value: {**TOKEN, name: value}, st.sampled_from(sorted(TOKEN)), scalars),
    st.builds(lambda name: {k: v for k, v in TOKEN.items() if k != name}, st.sampled_from(sorted(TOKEN))),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
).map(lambda value: json.dumps(value).encode())  # fmt: skip
contents = st.one_of(
    some_bytes,
    token_answers,
    st.sampled_from([b"[" * 5000, b'{"access_token":' * 3000, b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}"]),
    st.sampled_from([0, LARGEST - 1, LARGEST, LARGEST + 1, 10 * LARGEST]).map(lambda size: b"x" * size),
)


def with_length(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)


def chunked(content: bytes, size: int, extension: bytes, trailer: bytes) -> bytes:
    pieces = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


bodies = st.one_of(
    contents,
    contents.map(gzip.compress),
    contents.map(zlib.compress),
    st.just(gzip.compress(b"x" * 3_000_000)),
    st.builds(
        chunked,
        contents,
        st.integers(100, 5000),
        st.sampled_from([b""] * 3 + [b";a=b", b";" + b"x" * 70_000, b" ", b"\n"]),
        st.sampled_from([b""] * 3 + [b"X-T: 1\r\n", b"nonsense\r\n", b"X: 1\r\n" * 300]),
    ),
    st.sampled_from(
        [b"-5\r\nplain\r\n0\r\n\r\n", b"f" * 18 + b"\r\nplain", b"5\r\nplain", b"g\r\n", b"+5\r\nplain\r\n"]
    ),
)  # fmt: skip
interim = st.sampled_from(
    [b""] * 8
    + [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]
    + [b"HTTP/1.1 100 Continue\r\n\r\n" * 200, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"]
    + [b"\r\n", b"\r\n\r\n", b"\x16\x03\x01"]
)  # fmt: skip


@st.composite
def http(draw: st.DrawFn) -> bytes:
    """Something like an answer."""
    parts = [draw(interim), draw(status_lines), draw(line_ends)]
    body = draw(bodies)
    for name, value in draw(st.lists(headers, max_size=5)):
        parts += [name, draw(separators), value, draw(line_ends)]
    if draw(st.booleans()):
        parts += [b"Content-Length: %d\r\n" % (len(body) + draw(st.sampled_from([0, 0, 0, 1, -1])))]
    return b"".join([*parts, b"\r\n", body, draw(st.sampled_from([b""] * 4 + [b"more", PLAIN]))])


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """An answer that has been cut, or into which something has got."""
    data = draw(http())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        data = data[:start] + draw(some_bytes) + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


anything = st.one_of(
    http(), http(), spoilt(), st.binary(max_size=300), st.binary(max_size=40).map(lambda b: b"HTTP/" + b)
)
