"""The page of the backends file: its example is read."""

from __future__ import annotations

import re

from libs.backends.backends_file import read_backends
from tests.contract.paths import read

PAGE = read("docs/reference/backends.md")


def test_the_example_of_the_page_is_one_that_is_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = {backend.name: backend for backend in read_backends(example, lambda _name: "secret")}
    assert [(name, backend.protocol) for name, backend in found.items()] == [
        ("comfyui", "comfyui"),
        ("replicate", "prediction"),
        ("upscaler", "prediction"),
        ("ours", "vision"),
    ]
    assert [server.name for server in found["comfyui"].servers] == ["a100", "l4"]
