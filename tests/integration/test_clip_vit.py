"""A vision transformer from CLIP's file to a trained model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cris.checkpoint import load_checkpoint
from cris.cli import main
from cris.model import BACKBONES
from cris.model.config import CLIP_VOCABULARY, ClipTextConfig, ClipVitConfig
from tests.fixtures.clip_vit import hugging_face_clip
from tests.fixtures.small import SMALL_VIT


def test_clips_file_becomes_a_model_that_trains_stops_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(
        SMALL_VIT,
        image=ClipVitConfig(width=64, layers=2, position_grid=3),
        text=ClipTextConfig(vocabulary=CLIP_VOCABULARY, width=64, layers=1),
    )
    monkeypatch.setitem(BACKBONES, "ViT-B-16", config)
    monkeypatch.chdir(tmp_path)
    save_file(dict(hugging_face_clip(config).state_dict()), "clip.safetensors")
    assert main(["convert", "clip", "clip.safetensors", "--out", "start"]) == 0
    assert "CLIP ViT-B-16, untrained" in load_checkpoint("start").card
    scenes = ["--count", "4", "--split", "train", "val", "--size", "96", "--out", "data"]
    assert main(["data", "scenes", *scenes]) == 0

    def train(out: str, steps: int) -> dict[str, torch.Tensor]:
        options = [
            *("--from", "start", "--data", "data", "--out", out, "--max-steps", str(steps), "--resume"),
            *("--sampling.pictures", "2", "--sampling.sentences", "2", "--inference.input-size", "96"),
            *("--log-every", "1", "--validation.samples", "2", "--device", "cpu", "--gradient-checkpointing"),
        ]
        assert main(["train", "finetune", *options]) == 0
        return load_file(f"{out}/checkpoints/last/model.safetensors")

    assert train("straight", 4).keys() == load_checkpoint("start").model.state_dict().keys()
    train("stopped", 2)
    stopped, straight = train("stopped", 4), load_file("straight/checkpoints/last/model.safetensors")
    assert all(stopped[name].equal(straight[name]) for name in straight)
    assert json.loads(Path("straight/config.json").read_text())["optimizer"]["layer_decay"] == 0.8
    begun = load_checkpoint("start").model.state_dict()
    still = {name for name, tensor in straight.items() if tensor.equal(begun[name])}
    assert all(name.endswith("token_embedding.weight") for name in still)
