"""Tiny random models of transformers, in folders as the Hugging Face hub has them."""

import json
from pathlib import Path

import torch
import transformers

from cris.model.tokenizer import Tokenizer
from tests.wordpieces import PIECES

SIDE = 64
"""Side of the inputs, in pixels."""


def make_clipseg(folder: Path, *, seed: int = 0) -> Path:
    """A model of CLIPSeg's kind, with settings of images as the hub's have them: one number for the size."""
    torch.manual_seed(seed)
    size = _clip_tokenizer(folder)
    config = transformers.CLIPSegConfig(
        text_config={
            "vocab_size": size,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 20,
            "eos_token_id": size - 1,
            "bos_token_id": size - 2,
            "pad_token_id": size - 1,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=16,
        extract_layers=[0, 1, 2],
        reduce_dim=8,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    _save(transformers.CLIPSegForImageSegmentation(config), folder)
    _write(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "ViTFeatureExtractor",
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "resample": 2,
            "size": SIDE,
        },
    )
    return folder


def make_detector(folder: Path, *, seed: int = 0) -> Path:
    """A model of Grounding DINO's kind."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=SIDE,
            window_size=2,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=transformers.BertConfig(
            vocab_size=len(PIECES),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=20,
        max_text_len=32,
        disable_custom_kernels=True,
    )
    _save(transformers.GroundingDinoForObjectDetection(config), folder)
    _write(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "GroundingDinoImageProcessor",
            "image_std": [0.229, 0.224, 0.225],
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"longest_edge": 160, "shortest_edge": 96},
        },
    )
    return folder


def make_sam(folder: Path, *, seed: int = 0) -> Path:
    """A model of SAM's kind."""
    torch.manual_seed(seed)
    config = transformers.SamConfig(
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 8,
            "output_channels": 16,
            "window_size": 4,
            "global_attn_indexes": [0],
            "mlp_dim": 32,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": SIDE,
            "patch_size": 8,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    _save(transformers.SamModel(config), folder)
    _write(
        folder / "preprocessor_config.json",
        {
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "SamImageProcessor",
            "image_std": [0.229, 0.224, 0.225],
            "pad_size": {"height": SIDE, "width": SIDE},
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"longest_edge": SIDE},
        },
    )
    return folder


def _clip_tokenizer(folder: Path, *, length: int = 20) -> int:
    """Write a tokenizer of CLIP's kind for the words of tests, and return the size of its vocabulary."""
    own = Tokenizer().reduced(["the red dog", "left dog", "a man holding an umbrella"])
    content = json.loads(own._table.to_str())
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = content["model"]["vocab"]
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = [each if isinstance(each, str) else " ".join(each) for each in content["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    tokenizer = transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def _save(model: torch.nn.Module, folder: Path) -> None:
    """Write it with weights far enough from 0 that answers differ."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def make_sam3(folder: Path, *, seed: int = 0) -> Path:
    """A model of SAM 3's kind, with settings of images as transformers 5 writes them."""
    torch.manual_seed(seed)
    size = _clip_tokenizer(folder, length=32)
    part = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 32,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 56,
                "patch_size": 14,
                "window_size": 2,
                "pretrain_image_size": 28,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={
            "vocab_size": size,
            "hidden_size": 16,
            "projection_dim": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "eos_token_id": size - 1,
            "bos_token_id": size - 2,
            "pad_token_id": size - 1,
        },
        geometry_encoder_config={**part, "num_layers": 1},
        detr_encoder_config={**part, "num_layers": 1},
        detr_decoder_config={**part, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    _save(transformers.Sam3Model(config), folder)
    half = [0.5, 0.5, 0.5]
    sizes = {"size": {"height": 56, "width": 56}, "image_mean": half, "image_std": half, "resample": 2}
    _write(folder / "processor_config.json", {"image_processor": {**sizes, "rescale_factor": 1 / 255}})
    return folder
