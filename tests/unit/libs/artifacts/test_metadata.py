"""Files as a real ComfyUI 0.33 saved them, each with the whole graph in it: the graph goes, what they show stays."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from libs.artifacts.blanks.ogg import crc
from libs.artifacts.metadata import MARK, without_metadata
from libs.spool import Content, Spooler, chunks_of

FILES = Path(__file__).parents[3] / "fakes" / "labelled"
TYPES = {
    "flac": "audio/flac",
    "latent": "application/x-safetensors",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "opus": "audio/ogg",
    "png": "image/png",
    "webm": "video/webm",
    "webp": "image/webp",
}


def labelled(extension: str) -> bytes:
    return (FILES / f"picture.{extension}").read_bytes()


def spooled(data: bytes) -> Content:
    spooler = Spooler(0)
    spooler.write(data)
    return spooler.content()


def whole(content: Content) -> bytes:
    return b"".join(chunks_of(content))


@pytest.mark.parametrize("extension", TYPES)
def test_the_graph_is_gone_from_what_comfyui_saves_in_memory_and_on_disk(extension: str) -> None:
    data = labelled(extension)
    assert MARK in data
    clean = whole(without_metadata(data, TYPES[extension]))
    assert MARK not in clean
    assert b"EmptyImage" not in clean
    assert whole(without_metadata(spooled(data), TYPES[extension])) == clean
    assert extension == "png" or len(clean) == len(data)


@pytest.mark.parametrize("extension", TYPES)
def test_a_clean_file_stays_as_it_is(extension: str) -> None:
    clean = whole(without_metadata(labelled(extension), TYPES[extension]))
    again = whole(without_metadata(clean, TYPES[extension]))
    assert whole(without_metadata(again, TYPES[extension])) == again


@pytest.mark.parametrize("extension", ["png", "webp"])
def test_a_picture_shows_what_it_showed(extension: str) -> None:
    pictures = []
    for data in (labelled(extension), whole(without_metadata(labelled(extension), TYPES[extension]))):
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            pictures.append((picture.size, getattr(picture, "n_frames", 1), picture.tobytes()))
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("extension", ["flac", "mp3", "mp4", "webm"])
def test_what_is_not_metadata_is_not_touched(extension: str) -> None:
    """The frames stand behind the texts or before them: what differs is a stretch that held the graph."""
    data = labelled(extension)
    clean = whole(without_metadata(data, TYPES[extension]))
    changed = [index for index, (one, other) in enumerate(zip(data, clean, strict=True)) if one != other]
    texts = [data.index(MARK), data.rindex(MARK)]
    assert changed[0] < texts[0] < texts[1] <= changed[-1]
    assert len(changed) < len(data) / 2 or changed[-1] - changed[0] < 4_000


def test_an_ogg_file_keeps_the_checksums_of_its_pages() -> None:
    clean = whole(without_metadata(labelled("opus"), "audio/ogg"))
    pages = [b"OggS" + page for page in clean.split(b"OggS")[1:]]
    assert len(pages) > 2
    for page in pages:
        assert int.from_bytes(page[22:26], "little") == crc(page[:22] + bytes(4) + page[26:])


def test_a_latent_keeps_its_tensors() -> None:
    clean = whole(without_metadata(labelled("latent"), "application/x-safetensors"))
    head = json.loads(clean[8 : 8 + int.from_bytes(clean[:8], "little")])
    assert set(head) == {"latent_tensor", "latent_format_version_0"}


def test_a_mesh_loses_its_extras() -> None:
    def glb(model: object) -> bytes:
        text = json.dumps(model).encode()
        text = text.ljust(-(-len(text) // 4) * 4)
        return (
            b"glTF"
            + (2).to_bytes(4, "little")
            + (20 + len(text)).to_bytes(4, "little")
            + (len(text).to_bytes(4, "little") + b"JSON" + text)
        )

    model = {"asset": {"version": "2.0", "extras": {"prompt": '{"1": {"class_type": "SaveGLB"}}'}}, "meshes": []}
    clean = whole(without_metadata(glb(model), "model/gltf-binary"))
    assert json.loads(clean[20:]) == {"asset": {"version": "2.0"}, "meshes": []}


def test_a_jpeg_loses_its_exif_and_shows_what_it_showed() -> None:
    picture = Image.new("RGB", (32, 32), "teal")
    exif = Image.Exif()
    exif[0x010E] = 'prompt: {"1": {"class_type": "SaveImage"}}'
    into = io.BytesIO()
    picture.save(into, "JPEG", exif=exif)
    clean = whole(without_metadata(into.getvalue(), "image/jpeg"))
    assert MARK in into.getvalue()
    assert MARK not in clean
    with Image.open(io.BytesIO(clean)) as shown, Image.open(io.BytesIO(into.getvalue())) as before:
        assert shown.tobytes() == before.tobytes()


@pytest.mark.parametrize("content_type", ["text/plain", "image/avif", "application/octet-stream"])
def test_what_we_cannot_rewrite_stays_as_it_is(content_type: str) -> None:
    assert without_metadata(b"class_type", content_type) == b"class_type"


@given(st.sampled_from(sorted(TYPES)), st.integers(0, 4_000), st.binary(max_size=40))
def test_damage_is_no_exception_and_no_change_of_length(extension: str, at: int, garbage: bytes) -> None:
    data = labelled(extension)
    broken = data[:at] + garbage + data[at + len(garbage) :]
    clean = whole(without_metadata(broken, TYPES[extension]))
    assert extension == "png" or len(clean) == len(broken)
    assert whole(without_metadata(spooled(broken), TYPES[extension])) == clean
