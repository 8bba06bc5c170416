"""Single optimiser step: batches in, gradients, weights moved."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from cris.data.loading.loader import Batch
from cris.errors import InputError
from cris.model.cris import Cris
from cris.model.output import ModelOutput
from cris.training.activation_checkpointing import checkpoint_activations
from cris.training.batchnorm import average_statistics, is_synchronised, prepare_norms
from cris.training.config import TrainConfig
from cris.training.ema import MovingAverage
from cris.training.loss import Loss, Objective
from cris.training.masking import mask_batch
from cris.training.optim import build_optimizer, freeze_encoders, learning_rate
from cris.training.processes import all_gather, all_reduce_sum, seed_step


class Trainer:
    """Model and everything that changes with it from step to step."""

    def __init__(self, config: TrainConfig, model: Cris, fabric: Fabric, losses: Sequence[Loss] = ()) -> None:
        """Prepare the model, which is then the one that learns, and its optimiser.

        Raises:
            InputError: the configuration asks for two things that exclude each other.
        """
        if config.objectives.presence_weight and not config.model.presence_heads:
            raise InputError("presence_weight needs a head that learns: pass --model.presence-heads 4")
        if config.objectives.no_target == "ignored" and not config.objectives.presence_weight:
            raise InputError(
                "no_target ignored leaves to the presence head whether anything is meant, and none "
                "learns: pass --model.presence-heads 4 --objectives.presence-weight 0.5"
            )
        if config.compile and config.gradient_checkpointing:
            raise InputError("compile and gradient_checkpointing exclude each other: leave one out")
        self.config, self.fabric = config, fabric
        self.objective = Objective(config.objectives, losses)
        self.layout = torch.channels_last if config.channels_last else torch.contiguous_format
        model = model.train().to(memory_format=self.layout)  # type: ignore[call-overload]
        freeze_encoders(model, config.optimizer)
        prepare_norms(
            model, fabric, is_frozen=config.freeze_norms, is_encoder_frozen=config.freeze_encoder_norms
        )
        if model.presence is not None and not config.objectives.presence_weight:
            model.presence.requires_grad_(requires_grad=False)  # nothing would come back to it
        if config.gradient_checkpointing:
            checkpoint_activations(model)
        self.model = model
        optimizer = build_optimizer(model, config)
        runner: Any = torch.compile(model) if config.compile else model
        self.runner, self.optimizer = fabric.setup(runner, optimizer)
        self.average = MovingAverage(model, config.ema_decay)
        self.step = 0
        self.skipped = 0

    def training_step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Take one step on the parts of a batch that this process has; return its figures.

        Raises:
            InputError: the loss is no finite number, oftener than may be passed over.
        """
        rates = self.set_learning_rates()
        before = [buffer.clone() for buffer in self.model.buffers()] if self.config.skip_losses else []
        terms = self.gradients(batches)
        if not math.isfinite(terms["loss"]):
            self._pass_over(batches, before)
            return terms
        clip = self.config.optimizer.gradient_clip
        # after unscaling, which this does: before it, the threshold would depend on the loss scale
        norm = self.fabric.clip_gradients(
            self.runner, self.optimizer, max_norm=clip or math.inf, error_if_nonfinite=False
        )
        assert isinstance(norm, Tensor)
        # in float16 an overflow is the scaler's affair: it leaves the step out and scales less
        if not norm.isfinite() and self.config.precision != "fp16":
            self._pass_over(batches, before)
            return terms
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.fabric.world_size > 1 and not is_synchronised(self.fabric) and not self.config.freeze_norms:
            average_statistics(self.model, self.fabric)
        self.average.update(self.step)
        self.step += 1
        return {**terms, "gradient_norm": norm.item(), **rates}

    def set_learning_rates(self) -> dict[str, float]:
        """Set the learning rates of the schedule at this step; return them by part."""
        rates = {}
        for group in self.optimizer.param_groups:
            rate = learning_rate(self.config, self.step, group["part"])
            # runs that were saved before there were factors have none
            group["lr"] = rate * group.get("layer_factor", 1.0)
            rates[f"learning_rate_{group['part']}"] = rate
        return rates

    def gradients(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Fill the gradients; return the loss and its terms, over all processes.

        Each part counts by its sentences, so that parts and processes of unequal size amount to one batch.
        """
        fabric = self.fabric
        generator = seed_step(self.config, self.step, fabric.global_rank)
        here = torch.tensor(float(sum(len(batch.tokens) for batch in batches)))
        everywhere = all_reduce_sum(fabric, here).item()
        totals: dict[str, Tensor] = {}
        for place, batch in enumerate(batches):
            share = len(batch.tokens) / everywhere
            with fabric.no_backward_sync(self.runner, enabled=place + 1 < len(batches)):
                terms = self._terms(batch, generator)
                loss = torch.stack(list(terms.values())).sum()
                fabric.backward(loss * share * fabric.world_size)  # processes' gradients get averaged
            for name, value in terms.items():
                totals[name] = totals.get(name, 0) + value.detach() * share
        told = all_reduce_sum(fabric, torch.stack(list(totals.values())))
        return {"loss": told.sum().item(), **dict(zip(totals, told.tolist(), strict=True))}

    def _terms(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the loss in its named terms."""
        device = self.fabric.device
        masked = None
        if self.config.objectives.consistency_weight:
            hidden_word = self.model.config.text.hidden_word
            masked = mask_batch(batch, self.config.objectives, hidden_word, generator)
            masked = self._cut(masked).to(device)
        batch = self._cut(batch).to(device)
        output = self._answer(batch)
        terms = self.objective(output, batch)
        if masked is not None:
            terms |= self.objective.consistency(self._answer(masked).logits, output.logits, batch)
        return terms

    def _answer(self, batch: Batch) -> ModelOutput:
        """Return the model's answers."""
        images = batch.inputs().contiguous(memory_format=self.layout)
        output: ModelOutput = self.runner(images, batch.tokens, batch.image_index)
        return output

    def _cut(self, batch: Batch) -> Batch:
        """Drop columns that are padding in every sentence, unless compiled: then one size is faster."""
        if self.config.compile:
            return batch
        longest = int(batch.tokens.argmax(dim=1).max()) + 1
        return replace(batch, tokens=batch.tokens[:, :longest])

    def _pass_over(self, batches: Sequence[Batch], before: list[Tensor]) -> None:
        """Skip the step, statistics too, or end the run."""
        if self.skipped == self.config.skip_losses:
            samples = [batch.samples.tolist() for batch in batches]
            raise InputError(
                f"the loss of step {self.step + 1}, or its gradient, is no finite number, on samples "
                f"{', '.join(str(each) for each in all_gather(self.fabric, samples))} of the split: look at "
                "them, lower --optimizer.learning-rate, or pass over such steps with --skip-losses N"
            )
        self.skipped += 1
        self.optimizer.zero_grad()
        for buffer, was in zip(self.model.buffers(), before, strict=True):
            buffer.copy_(was)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides later steps; random draws follow from the seed and the step."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "step": self.step,
            "skipped": self.skipped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.step, self.skipped = state["step"], state["skipped"]
