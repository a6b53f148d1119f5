from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.resources import configured_backends
from apps.settings import Settings
from libs.backends.configured import ConfiguredBackend, ConfiguredServer


def backends(**values: Any) -> dict[str, ConfiguredBackend]:
    return configured_backends(Settings(_env_file=None, environment="development", **values))


def test_without_a_file_the_settings_say_it_all() -> None:
    found = backends(comfyui_url="http://a:8188", gemini_api_key="k", vision_providers="qwen,gemini", vision_timeout=7)
    assert list(found) == ["comfyui", "replicate", "qwen", "gemini", "mistral", "kimi"]
    assert [name for name, backend in found.items() if backend.is_configured] == ["comfyui", "gemini"]
    assert found["comfyui"].servers == (ConfiguredServer("comfyui", "http://a:8188"),)
    assert (found["gemini"].dialect, found["gemini"].secret, found["gemini"].timeout_s) == ("gemini", "k", 7)
    assert found["replicate"].limits["create"].per_minute == 450


def test_what_a_file_says_of_a_protocol_is_all_there_is_of_it(tmp_path: Path) -> None:
    file = tmp_path / "backends.toml"
    file.write_text('[ours]\nprotocol = "vision"\ndialect = "kimi"\nurl = "http://v"\nmodel = "m"\n')
    found = backends(backends_file=file, comfyui_url="http://a:8188", gemini_api_key="k")
    assert list(found) == ["comfyui", "replicate", "ours"]
    assert found["comfyui"].is_configured


def test_a_name_that_the_settings_have_given_away_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "backends.toml"
    file.write_text('[replicate]\nprotocol = "vision"\ndialect = "kimi"\nurl = "http://v"\nmodel = "m"\n')
    with pytest.raises(ValueError, match=r"\[replicate\]"):
        backends(backends_file=file)
