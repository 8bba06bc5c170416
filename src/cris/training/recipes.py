"""Named recipes, data-backbone-family: each a function returning one complete configuration."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

from cris.calibration import IDENTITY
from cris.model.config import (
    BACKBONES,
    LITE,
    BertTextConfig,
    ClipResnetConfig,
    ClipTextConfig,
    ClipVitConfig,
    CrisConfig,
    DecoderConfig,
    ImageEncoderConfig,
    InferenceConfig,
    NeckConfig,
    ProjectorConfig,
)
from cris.model.tokenizer import Tokenizer
from cris.registry import resolve
from cris.training.config import (
    ObjectivesConfig,
    OptimizerConfig,
    SamplingConfig,
    ScheduleConfig,
    TrainConfig,
    ValidationConfig,
)

if TYPE_CHECKING:
    from cris.config_file import StoredConfig


WORDS = {"refcoco": 17, "refcoco+": 17, "refcocog-umd": 22, "refcocog-google": 22, "refcoco-union": 22}
"""Data set → tokens per sentence, start and end included."""
EPOCHS = 50
SENTENCES = 4
"""Sentences per image in the modern recipes."""
RECIPE_BACKBONES = {"rn50": "RN50", "rn101": "RN101", "vitb16": "ViT-B-16"}
"""Image encoder as recipes have it → CLIP's name for it."""
VIT_LAYER_DECAY = 0.8
"""Layer-wise decay of the learning rate in vision transformers."""


def released(data: str, backbone: str) -> TrainConfig:
    """Return the configuration of the released code, to the letter; table in `docs/training.md`.

    Their code has no vision transformers: for these it is only what the other families begin with.
    """
    clip = RECIPE_BACKBONES[backbone]
    return TrainConfig(
        recipe=f"{data}-{backbone}-released",
        start=clip,
        epochs=float(EPOCHS),
        precision="fp16",
        checkpoint_every=500,
        model=replace(BACKBONES[clip], padding="zero_id"),
        inference=InferenceConfig(
            input_size=416, sentence_length=WORDS[data], threshold=0.35, protocol="released"
        ),
        sampling=SamplingConfig(rule="one sentence per object", pictures=64, workers=8),
        objectives=ObjectivesConfig(target="nearest", padding="counted"),
        optimizer=OptimizerConfig(
            name="adam",
            learning_rate=1e-4,
            backbone_factor=0.1,
            full_backbone_share=1 / EPOCHS,
            layer_decay=layer_decay_of(BACKBONES[clip].image),
            positions="head",
        ),
        schedule=ScheduleConfig(decay="milestones", milestones=(35 / EPOCHS,), milestone_factor=0.1),
        validation=ValidationConfig(sentences="first", choose_threshold=False),
    )


def layer_decay_of(image: ImageEncoderConfig) -> float:
    """Return the layer-wise decay that suits an image encoder: a vision transformer's, or none."""
    return VIT_LAYER_DECAY if isinstance(image, ClipVitConfig) else 1.0


def fixed(data: str, backbone: str) -> TrainConfig:
    """Return the same budget with the defects mended; each fix is one option that can be set back."""
    return mended(released(data, backbone), f"{data}-{backbone}-fixed")


def mended(config: TrainConfig, recipe: str) -> TrainConfig:
    """Return a released recipe without its defects."""
    return replace(
        config,
        recipe=recipe,
        objectives=replace(config.objectives, target="area", padding="ignored"),
        optimizer=replace(config.optimizer, full_backbone_share=0.0, positions="backbone"),
        validation=replace(config.validation, sentences="all"),
    )


def modern(data: str, backbone: str) -> TrainConfig:
    """Return a recipe with the gains published since.

    Dice, masking, averaged weights, flips, shared encodings, a cosine, bfloat16. It takes as many sentences
    as the others: an image has several objects, and gives several sentences at once.
    """
    start = fixed(data, backbone)
    return replace(
        start,
        recipe=f"{data}-{backbone}-modern",
        precision="bf16",
        compile=True,
        ema_decay=0.999,
        model=replace(start.model, padding="after_end"),
        inference=replace(start.inference, protocol="default"),
        sampling=replace(
            start.sampling,
            rule="k sentences per picture",
            pictures=start.sampling.pictures // SENTENCES,
            sentences=SENTENCES,
            flip_probability=0.5,
        ),
        objectives=replace(
            start.objectives,
            dice_weight=1.0,
            masked_regions=0.5,
            masked_words=0.15,
            consistency_weight=1.0,
        ),
        optimizer=replace(start.optimizer, name="adamw", weight_decay=0.01, gradient_clip=1.0),
        schedule=ScheduleConfig(warmup_steps=1000, decay="cosine"),
        validation=replace(start.validation, choose_threshold=True),
    )


def grefcoco(backbone: str) -> TrainConfig:
    """Return the modern recipe for gRefCOCO, whose sentences also mean several objects, or none.

    A presence head learns whether anything is meant, and a fifth of the sentences mean nothing.
    """
    start = modern("refcocog-umd", backbone)
    return replace(
        start,
        recipe=f"grefcoco-{backbone}-modern",
        model=replace(start.model, presence_heads=4),
        sampling=replace(start.sampling, no_target_share=0.2),
        objectives=replace(start.objectives, peak_weight=0.1, presence_weight=0.1),
    )


Family = Literal["released", "fixed", "modern"]
FAMILIES: dict[Family, Callable[[str, str], TrainConfig]] = {
    "released": released,
    "fixed": fixed,
    "modern": modern,
}


@cache
def scenes_tokenizer() -> Tokenizer:
    """Return CLIP's tokenizer reduced to the vocabulary of scenes, as cris-scenes has it."""
    return Tokenizer.load(resolve("cris-scenes") / "tokenizer.json")


def cris_scenes() -> TrainConfig:
    """Return the recipe of the embedded model: a small CRIS trained from scratch on rendered scenes."""
    return TrainConfig(
        recipe="cris-scenes",
        steps=5600,
        ema_decay=0.998,
        model=CrisConfig(
            joint_dim=128,
            image=ClipResnetConfig(layers=(1, 1, 2, 1), stem=(32, 32, 32), width=16, position_grid=6),
            text=ClipTextConfig(
                vocabulary=scenes_tokenizer().vocab_size, context_length=77, width=128, layers=3
            ),
            tokenizer="scenes",
            neck=NeckConfig(fine=48, middle=64, coarse=128),
            decoder=DecoderConfig(layers=2, ffn=256, dropout=0.0),
            projector=ProjectorConfig(hidden=32, dim=24),
        ),
        inference=InferenceConfig(input_size=192, sentence_length=32, threshold=0.5),
        sampling=SamplingConfig(pictures=12, sentences=8),
        objectives=ObjectivesConfig(dice_weight=1.0),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, betas=(0.9, 0.98), weight_decay=0.02, gradient_clip=1.0
        ),
        schedule=ScheduleConfig(warmup_steps=200, decay_share=0.55),
        validation=ValidationConfig(every=200, samples=400),
    )


PHOTOS_VOCABULARY = 26_299
"""Word pieces of the embedded model's tokenizer, which `tools/build_encoders.py` reduces from BERT's."""


def cris_photos() -> TrainConfig:
    """Return the default model's recipe: pretrained encoders, and the rest trained on photographs."""
    return TrainConfig(
        recipe="cris-photos",
        start="cris-photos",
        steps=1800,
        precision="bf16",
        ema_decay=0.998,
        freeze_encoder_norms=True,
        model=CrisConfig(
            joint_dim=1280,
            image=LITE["Lite2"],
            text=BertTextConfig(vocabulary=PHOTOS_VOCABULARY),
            tokenizer="stored",
            neck=NeckConfig(fine=64, middle=128, coarse=256, alignment=True),
            decoder=DecoderConfig(layers=2, ffn=512, dropout=0.0),
            projector=ProjectorConfig(hidden=64, dim=48),
            presence_heads=4,
        ),
        inference=InferenceConfig(input_size=384, sentence_length=32, threshold=0.5, guided_radius=3),
        sampling=SamplingConfig(
            pictures=12,
            sentences=4,
            flip_probability=0.5,
            smallest_crop=0.65,
            colour_jitter=0.25,
            collage_share=0.5,
            repeat_threshold=0.05,
        ),
        objectives=ObjectivesConfig(dice_weight=1.0, peak_weight=0.1, presence_weight=0.1),
        optimizer=OptimizerConfig(
            learning_rate=1e-3,
            backbone_factor=0.1,
            frozen_image_blocks=8,
            freeze_text=True,
            betas=(0.9, 0.98),
            weight_decay=0.02,
            gradient_clip=1.0,
        ),
        schedule=ScheduleConfig(warmup_steps=100, decay_share=0.5),
        validation=ValidationConfig(every=200, samples=400),
    )


TINY_SENTENCES = 48_000
"""Sentences that each of the small recipes learns from, whatever its family."""
FROM_SCRATCH = 10.0
"""Factor on the full recipes' learning rates, which are for CLIP's weights; these begin with fresh ones."""


def scenes_tiny(family: Family) -> TrainConfig:
    """Return a very small model, to compare the families on scenes: as many sentences, rates scaled alike.

    Batches are of 16 sentences, as 64 would leave a short run too few steps. The modern one takes the same
    rate for encoders and head, as there is nothing of CLIP's to keep.
    """
    config = FAMILIES[family]("refcoco", "rn50")
    model = CrisConfig(
        joint_dim=64,
        image=ClipResnetConfig(layers=(1, 1, 1, 1), stem=(16, 16, 16), width=8, position_grid=4),
        text=ClipTextConfig(vocabulary=scenes_tokenizer().vocab_size, width=64, layers=2),
        tokenizer="scenes",
        neck=NeckConfig(fine=32, middle=64, coarse=96),
        decoder=DecoderConfig(layers=1, ffn=128, dropout=0.0),
        projector=ProjectorConfig(hidden=32, dim=16),
        padding=config.model.padding,
    )
    steps = TINY_SENTENCES // 16
    return replace(
        config,
        recipe=f"scenes-tiny-{family}",
        start="",
        epochs=None,
        steps=steps,
        precision="fp32",
        compile=False,
        model=model,
        inference=replace(config.inference, input_size=128, sentence_length=32),
        sampling=replace(config.sampling, pictures=16 // config.sampling.sentences, workers=0),
        optimizer=replace(
            config.optimizer,
            learning_rate=FROM_SCRATCH * config.optimizer.learning_rate,
            backbone_factor=1.0 if family == "modern" else config.optimizer.backbone_factor,
        ),
        schedule=replace(config.schedule, warmup_steps=min(100, config.schedule.warmup_steps)),
        validation=replace(config.validation, every=steps // 5, samples=400),
    )


def learns_scenes(recipe: str) -> bool:
    """Return whether a recipe trains on rendered scenes, so that no data need be named."""
    return recipe == "cris-scenes" or recipe.startswith("scenes-tiny-")


def finetune(start: "StoredConfig") -> TrainConfig:
    """Return the recipe that trains a model further on new data; its sizes, tokens and input stay."""
    config = TrainConfig(
        recipe="finetune",
        steps=1000,
        ema_decay=0.99,
        checkpoint_every=100,
        model=start.model,
        # calibration and thresholds but the one are another model's
        inference=replace(
            start.inference,
            calibration=IDENTITY,
            relative_threshold=1.0,
            peak_threshold=0.0,
            presence_threshold=0.0,
        ),
        sampling=SamplingConfig(pictures=8, sentences=4),
        objectives=ObjectivesConfig(dice_weight=1.0),
        optimizer=OptimizerConfig(
            learning_rate=3e-4, betas=(0.9, 0.98), weight_decay=0.02, gradient_clip=1.0
        ),
        schedule=ScheduleConfig(warmup_steps=50, decay_share=0.55),
        validation=ValidationConfig(every=100, samples=400),
    )
    if isinstance(start.model.image, ClipVitConfig):
        decay = layer_decay_of(start.model.image)
        return replace(config, optimizer=replace(config.optimizer, backbone_factor=0.1, layer_decay=decay))
    frozen_blocks = start.model.image.frozen_when_finetuned
    if not frozen_blocks:
        return config
    return replace(
        config,
        freeze_encoder_norms=True,
        optimizer=replace(
            config.optimizer, backbone_factor=0.1, frozen_image_blocks=frozen_blocks, freeze_text=True
        ),
    )


def ablation_rows(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return the paper's seven rows as variations of a recipe: without and with its projector and decoder."""
    rows: dict[str, tuple[Literal["contrastive", "classifier"], int]] = {
        "neither": ("classifier", 0),
        "contrastive": ("contrastive", 0),
        "decoder-1": ("classifier", 1),
        **{f"both-{layers}": ("contrastive", layers) for layers in (1, 2, 3, 4)},
    }
    return {
        name: replace(
            config,
            recipe=f"{config.recipe}:{name}",
            model=replace(
                config.model,
                decoder=replace(config.model.decoder, layers=layers),
                projector=replace(config.model.projector, head=head),
            ),
        )
        for name, (head, layers) in rows.items()
    }


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    **{
        f"{data}-{backbone}-{family}": partial(make, data, backbone)
        for data in WORDS
        for backbone in RECIPE_BACKBONES
        for family, make in FAMILIES.items()
        if (backbone, family) != ("vitb16", "released")
    },
    **{f"grefcoco-{backbone}-modern": partial(grefcoco, backbone) for backbone in ("rn50", "rn101")},
    "cris-photos": cris_photos,
    "cris-scenes": cris_scenes,
    **{f"scenes-tiny-{family}": partial(scenes_tiny, family) for family in FAMILIES},
}
"""All recipes that need no initial model but CLIP, by name; `finetune` needs one."""
FINETUNE = "finetune"
