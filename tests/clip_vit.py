"""CLIP's vision transformers with random weights, as transformers has them, in the namings that exist."""

import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel

from cris.model import CrisConfig

_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def hugging_face_clip(config: CrisConfig, seed: int = 0) -> CLIPModel:
    """A CLIP of transformers with these encoders; norms and biases are not the trivial ones."""
    image, text = config.image, config.text
    model = CLIPModel(
        CLIPConfig(
            projection_dim=config.joint_dim,
            vision_config={
                "hidden_size": image.width,
                "intermediate_size": 4 * image.width,
                "num_hidden_layers": image.layers,
                "num_attention_heads": image.width // 64,
                "patch_size": image.patch_size,
                "image_size": image.patch_size * image.position_grid,
            },
            text_config={
                "hidden_size": text.width,
                "intermediate_size": 4 * text.width,
                "num_hidden_layers": text.layers,
                "num_attention_heads": text.width // 64,
                "vocab_size": text.vocabulary,
                "max_position_embeddings": text.context_length,
                "bos_token_id": text.vocabulary - 2,
                "eos_token_id": text.vocabulary - 1,
            },
        )
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if "norm" in name:
                tensor.copy_(1 + 0.1 * noise if name.endswith("weight") else 0.1 * noise)
            elif tensor.ndim > 1 and "embedding" not in name:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            else:
                tensor.copy_(0.1 * noise)
    return model


def openai_names(theirs: dict[str, Tensor], layers: int, text_layers: int) -> dict[str, Tensor]:
    """The same tensors under the names of OpenAI's CLIP, and open_clip's."""
    found = {
        "visual.class_embedding": theirs["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": theirs["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": theirs["visual_projection.weight"].T,
        "visual.conv1.weight": theirs["vision_model.embeddings.patch_embedding.weight"],
        "positional_embedding": theirs["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": theirs["text_model.embeddings.token_embedding.weight"],
        "text_projection": theirs["text_projection.weight"].T,
        "logit_scale": theirs["logit_scale"],
    }
    for kind in ("weight", "bias"):
        found[f"visual.ln_pre.{kind}"] = theirs[f"vision_model.pre_layrnorm.{kind}"]
        found[f"visual.ln_post.{kind}"] = theirs[f"vision_model.post_layernorm.{kind}"]
        found[f"ln_final.{kind}"] = theirs[f"text_model.final_layer_norm.{kind}"]
        for ours, part, count in (("visual.", "vision", layers), ("", "text", text_layers)):
            for index in range(count):
                block = f"{ours}transformer.resblocks.{index}"
                layer = f"{part}_model.encoder.layers.{index}"
                found[f"{block}.attn.in_proj_{kind}"] = torch.cat(
                    [theirs[f"{layer}.self_attn.{name}_proj.{kind}"] for name in "qkv"]
                )
                for one, other in _BLOCK.items():
                    found[f"{block}.{one}.{kind}"] = theirs[f"{layer}.{other}.{kind}"]
    return {name: tensor.contiguous() for name, tensor in found.items()}


def custom_text_names(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's names as open_clip's `CustomTextCLIP` has them."""
    return {
        name if name.startswith(("visual.", "logit_scale")) else f"text.{name}": tensor
        for name, tensor in theirs.items()
    }


class Archived(nn.Module):
    """Module that holds tensors under dotted names, to be written as a TorchScript archive."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        for name in ("input_resolution", "context_length", "vocab_size"):
            self.register_buffer(name, torch.tensor(64))
        for name, tensor in tensors.items():
            module: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if not hasattr(module, part):
                    module.add_module(part, nn.Module())
                module = getattr(module, part)
            module.register_parameter(last, nn.Parameter(tensor))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.logit_scale
