"""The classes that raw graphs may use, against what they take on a real ComfyUI."""

from __future__ import annotations

import pytest

from libs.backends.comfyui.node_class import NodeClass
from libs.workflows.classes import CORE_CLASSES
from libs.workflows.raw import names_place
from tests.fakes.comfyui_classes import classes_0_33, object_info_0_33

KNOWN = sorted(CORE_CLASSES & classes_0_33().keys())


def test_a_few_hundred_of_a_real_servers_classes_may_be_used() -> None:
    assert len(KNOWN) == len(CORE_CLASSES) > 400
    assert {
        "WanImageToVideo",
        "TextEncodeQwenImageEdit",
        "SaveVideo",
        "ResizeImageMaskNode",
        "Video Slice",
    } <= CORE_CLASSES


@pytest.mark.parametrize("name", KNOWN)
def test_each_is_comfyuis_own_and_takes_no_file_or_address_but_a_picture(name: str) -> None:
    one: NodeClass = classes_0_33()[name]
    assert one.is_core
    assert not object_info_0_33()[name].get("api_node")
    for at, declared in one.all_inputs():
        assert declared.is_picture or not declared.is_file
        assert not names_place(at)


@pytest.mark.parametrize("name", KNOWN)
def test_none_makes_more_of_its_readers_runs_than_the_price_tells(name: str) -> None:
    assert not any(object_info_0_33()[name]["output_is_list"])


@pytest.mark.parametrize(
    "name",
    [
        *("LoadImageOutput", "LoadLatent", "SaveLatent", "CheckpointSave", "LoadTrainingDataset", "TrainLoraNode"),
        *(
            "ComfyMathExpression",
            "RegexReplace",
            "StringReplace",
            "GLSLShader",
            "HypernetworkLoader",
            "BatchImagesNode",
        ),
        *(
            "BatchImagesNode",
            "FluxProUltraImageNode",
            "KlingTextToVideoNode",
            "Load3D",
            "RecordAudio",
            "TorchCompileModel",
        ),
    ],
)
def test_what_reads_others_files_saves_models_evaluates_texts_or_asks_providers_is_not_among_them(name: str) -> None:
    assert name not in CORE_CLASSES
