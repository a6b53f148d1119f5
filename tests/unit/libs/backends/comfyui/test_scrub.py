from __future__ import annotations

import pytest

from libs.backends.comfyui.scrub import scrubbed

SECRETS = ("opt", "Users", "nas", "lan'", "10.1.2", "pw", "comfy-gpu", "abc.def", "123456", "AbCd", "0a1b")


@pytest.mark.parametrize(
    "text,left",
    [
        ("[Errno 2] No such file or directory: '/opt/ComfyUI/models/x.safetensors'", "[path]"),
        ("cannot open C:\\Users\\ann\\ComfyUI\\input\\a b.png", "[path]"),
        ("cannot open \\\\nas\\models\\x.ckpt", "[path]"),
        ("see ~/secrets/key.json", "[path]"),
        ("HTTPSConnectionPool(host='api.internal.lan', port=443): max retries", "[host]"),
        ("Cannot connect to host 10.1.2.3:8443 ssl:default", "[host]"),
        ("GET https://user:pw@render.example.com/v1?key=1 failed", "[address]"),
        ("redis://:pw@db:6379/0 is away", "[address]"),
        ("connect to comfy-gpu-3:8188 failed", "[host]"),
        ("401 Unauthorized: Bearer abc.def-ghi", "[token]"),
        ("bad api_key=sk-1234567890abcdef", "[token]"),
        ("invalid key hf_AbCdEfGhIjKlMnOpQrSt", "[token]"),
        ("session 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d", "[token]"),
    ],
)
def test_what_only_the_operator_should_see_is_hidden(text: str, left: str) -> None:
    found = scrubbed(text)
    assert left in found
    for secret in SECRETS:
        assert secret not in found


@pytest.mark.parametrize(
    "text",
    [
        "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)",
        "Expected 4 channels, got 16: is this the right VAE?",
        "width/height must be a multiple of 8",
        "could not convert string to float: '1.5x'",
        "CheckpointLoaderSimple: v1-5-pruned-emaonly.safetensors is no checkpoint",
        "Sizes of tensors must match except in dimension 1. Expected size 64 but got size 65",
        "index 5 is out of bounds for dimension 0 with size 4",
    ],
)
def test_what_says_what_went_wrong_stays(text: str) -> None:
    assert scrubbed(text) == text
