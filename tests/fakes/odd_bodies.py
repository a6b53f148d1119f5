"""Bodies that cost as much as their sender can make them: taken or refused without holding others up."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson

from tests.fakes.customers import BATCHES, COMPARISONS, JOBS
from tests.fakes.graphs import picture_graph

__all__ = ["odd_bodies"]

Sent = tuple[str, str, str, bytes]  # what it is, method, path, body
_MEGABYTE = 1_000_000


def odd_bodies(size: float = 1.0, seed: int = 1) -> Iterator[Sent]:
    """Every kind of them, `size` times as large as a body may be; then some at random."""
    yield from _jobs(size)
    yield from _large_but_right(size)
    yield from _batches(size)
    yield from _forms(size)
    yield from _at_random(size, Random(seed))


def _json(value: Any) -> bytes:
    return orjson.dumps(value)


def _jobs(size: float) -> Iterator[Sent]:
    many, few = int(499_000 * size), int(24_000 * size)
    odd = {"a": 1}
    unknown = {f"no{number}": number for number in range(few)}
    parameters = {"image_url": "https://example.com/a.png", "parameters": {f"{n} no": odd for n in range(few)}}
    variants = [{"name": f"v{n}", "input": {f"no{m}": [odd] for m in range(few // 20)}} for n in range(5)]
    for name, body in {
        "very many odd loras": _json({"prompt": "x", "loras": [odd] * many})[: 4 * _MEGABYTE],
        "odd loras": _json({"prompt": "x", "loras": [odd] * few}),
        "unknown members": _json({"prompt": "x", **unknown}),
        "a list in every place": _json({"prompt": [odd] * few, "negative_prompt": [[]] * few, "steps": [odd] * 100}),
        "names that are there twice": b'{"prompt":"x",' + b'"a":1,' * few + b'"b":2}',
        "a colon in a text, and a name twice": _json({"prompt": ":" * 100_000})[:-1] + b',"a":1,"a":2}',
        "brackets": b"[" * int(10 * _MEGABYTE * size),
        "objects within objects": b'{"a":' * int(2 * _MEGABYTE * size),
        "commas": b"[" + b"0," * int(5 * _MEGABYTE * size) + b"0]",
        "strings": b'["",' + b'"",' * int(3 * _MEGABYTE * size) + b'""]',
        "a text without end": b'{"prompt":"' + b'\\"' * int(4.9 * _MEGABYTE * size),
        "a long prompt": _json({"prompt": "x" * int(9.9 * _MEGABYTE * size)}),
        "a long prompt in escapes": b'{"prompt":"' + b"\\u00e9" * int(1.6 * _MEGABYTE * size) + b'"}',
        "a long prompt in Chinese": _json({"prompt": "\u4e2d" * int(3.3 * _MEGABYTE * size)}),
        "spaces": b" " * int(9.9 * _MEGABYTE * size) + b"{}",
        "a long number": b'{"prompt":"x","steps":' + b"9" * int(_MEGABYTE * size) + b"}",
        "much metadata": _json({"kind": "generate", "input": {"prompt": "x"}, "metadata": {"a": [odd] * few}}),
        "many events": _json({"kind": "generate", "webhook": {"url": "https://a.example", "events": ["no"] * few}}),
        "a graph of odd nodes": _json({"kind": "workflow", "input": {"graph": {str(n): odd for n in range(few)}}}),
        "odd parameters of a workflow": _json({"kind": "workflow", "input": {"workflow": "a", "parameters": unknown}}),
    }.items():
        yield name, "POST", JOBS, body
    yield "odd parameters", "POST", "/api/v1/optimize", _json(parameters)
    yield "odd parameters", "POST", JOBS, _json({"kind": "optimize", "input": parameters})
    yield (
        "deep parameters",
        "POST",
        "/api/v1/optimize",
        _json({"prompt": "x", "parameters": {"a": [[[[[odd] * few]]]]}}),
    )
    yield "odd variants", "POST", COMPARISONS, _json({"input": {"prompt": "x"}, "variants": variants})
    yield "many variants", "POST", COMPARISONS, _json({"input": {"prompt": "x"}, "variants": [odd] * few})
    yield "many images", "POST", "/api/v1/batch", _json({"images": [odd] * few})


def _large_but_right(size: float) -> Iterator[Sent]:
    """What passes every ceiling, or nearly: the most work that an order may be."""
    names = [f"input{n}" for n in range(64)]
    inputs = {name: ["0", 1] for name in names}
    nodes = {str(n): {"class_type": "KSampler", "inputs": inputs} for n in range(int(200 * size))}
    texts = {str(n): {"class_type": "CLIPTextEncode", "inputs": {"text": "x" * 1_000}} for n in range(int(200 * size))}
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * int(7 * _MEGABYTE * size)).decode()
    right = picture_graph()
    last = "3"
    for n in range(int(190 * size)):
        right[f"s{n}"] = {**right["3"], "inputs": {**right["3"]["inputs"], "latent_image": [last, 0], "steps": 1}}
        last = f"s{n}"
    right["8"]["inputs"]["samples"] = [last, 0]
    yield "a graph that is right", "POST", JOBS, _json({"kind": "workflow", "input": {"graph": right}})
    yield "a graph of links", "POST", JOBS, _json({"kind": "workflow", "input": {"graph": nodes}})
    yield "a graph of texts", "POST", "/api/v1/workflow", _json({"graph": texts})
    yield "a picture", "POST", "/api/v1/ocr", _json({"image": f"data:image/png;base64,{picture}"})
    yield "a picture that is none", "POST", "/api/v1/detect", _json({"image": "A" * int(9 * _MEGABYTE * size) + "!"})
    variants = [{"name": f"v{n}", "input": {"graph": {"9": {"inputs": {"a": n}}}}} for n in range(5)]
    compared = {"kind": "workflow", "input": {"graph": nodes}, "variants": variants}
    yield "graphs of links, compared", "POST", COMPARISONS, _json(compared)


def _batches(size: float) -> Iterator[Sent]:
    count = int(50_000 * size)
    links = {"graph": {str(n): {"class_type": "KSampler", "inputs": {"a": ["0", 1]}} for n in range(200)}}
    for name, body in {
        "brackets": b'{"kind":"generate","items":[' + b"[" * int(9.9 * _MEGABYTE * size),
        "empty items": _json({"kind": "generate", "items": [{}] * count}),
        "items of one text": _json({"kind": "generate", "items": [{"prompt": "x", "steps": 999}] * count}),
        "a large item": _json(
            {"kind": "generate", "items": [{"prompt": "x", "loras": [{"a": 1}] * int(24_000 * size)}]}
        ),
        "items with graphs": _json({"kind": "workflow", "items": [links] * int(400 * size)}),
        "items after the kind is told last": b'{"items":[' + b'{"prompt":"x"},' * count + b'{}],"kind":"no"}',
        "an item without end": b'{"kind":"generate","items":[{"prompt":"' + b'\\"' * int(4 * _MEGABYTE * size),
        "spaces between items": b'{"kind":"generate","items":[{},' + b" " * int(9 * _MEGABYTE * size) + b"{}]}",
    }.items():
        yield f"a batch: {name}", "POST", BATCHES, body


def _forms(size: float) -> Iterator[Sent]:
    odd = {f"no{n}": 1 for n in range(100)}
    sets = [odd] * 16
    parameters = [{"name": "a", "type": "string", "sets": sets, **odd}] * int(16 * size)
    graph = {str(n): {"class_type": "KSampler", "inputs": {"a": ["0", 1]}} for n in range(200)}
    yield "odd parameters", "POST", "/admin/workflows", _json({"name": "a", "graph": graph, "parameters": parameters})
    yield "a graph of links", "POST", "/admin/workflows", _json({"name": "a", "graph": graph})
    yield "many networks", "POST", "/admin/api-keys", _json({"user_id": "a", "name": "a", "addresses": ["a"] * 10_000})
    yield "unknown members", "POST", "/admin/users", _json({f"no{n}": 1 for n in range(900)})
    yield "unknown numbers", "PUT", "/admin/plans/free", _json({f"no{n}": 1 for n in range(900)})
    yield "many events", "POST", "/api/v1/webhooks", _json({"url": "https://a.example", "events": ["no"] * 900})
    yield "a long name", "POST", "/api/v1/uploads", _json({"filename": "x" * 60_000, "size_bytes": [1] * 900})


_PLACES = ("prompt", "loras", "metadata", "webhook", "input", "kind", "steps", "seed", "parameters", "graph", "a")


def _at_random(size: float, random: Random) -> Iterator[Sent]:
    """Members that exist and values that do not fit, one within the other."""
    paths = (JOBS, "/api/v1/generate", "/api/v1/optimize", "/api/v1/detect", "/api/v1/workflow", COMPARISONS, BATCHES)
    for _ in range(int(60 * size) + 10):
        body = {random.choice(_PLACES): _value(random, 6, int(40 * size) + 2) for _ in range(6)}
        yield "at random", "POST", random.choice(paths), _json(body)


def _value(random: Random, depth: int, width: int) -> Any:
    kind = random.randrange(6 if depth else 3)
    if kind == 0:
        return random.choice([None, True, -1, 1e308, 2**53, "", "x" * random.randrange(1, 5_000), "generate"])
    if kind <= 2:  # leaves are as frequent as branches
        return random.choice(_PLACES) + ":" * random.randrange(3)
    if kind == 3:
        return [_value(random, depth - 1, max(2, width // 3))] * random.randrange(1, width)
    return {
        random.choice(_PLACES) + str(n % 9): _value(random, depth - 1, max(2, width // 3))
        for n in range(random.randrange(1, width))
    }
