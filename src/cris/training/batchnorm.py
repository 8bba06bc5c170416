"""BatchNorm in training, on one process and on many.

On several GPUs the statistics are those of the whole batch (SyncBatchNorm). On several CPU processes, where
torch has none, each normalises with the statistics of its own part, and the running statistics are the mean
of theirs. A single sentence has no spread: the neck's norm over sentences then uses its running statistics,
and keeps them.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from cris.model.cris import Cris
from cris.training.processes import all_reduce_sum


class LoneBatchNorm1d(nn.BatchNorm1d):
    """BatchNorm that normalises a batch of one with its running statistics."""

    def forward(self, x: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch channels"]:
        """Normalise with the batch's statistics, or with the running ones for a batch of one."""
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def prepare_norms(model: Cris, fabric: Fabric, *, is_frozen: bool, is_encoder_frozen: bool = False) -> None:
    """Prepare the model's norms as described above, or freeze statistics: all, or the image encoder's.

    A part of which nothing learns keeps its statistics, too.
    """
    if is_synchronised(fabric) and not is_frozen:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    elif not is_frozen:
        plain = model.neck.sentence_norm
        lone = LoneBatchNorm1d(plain.num_features)
        lone.load_state_dict(plain.state_dict())
        for name, parameter in lone.named_parameters():
            parameter.requires_grad_(getattr(plain, name).requires_grad)
        model.neck.sentence_norm = lone
    for part in model.children():
        learns = any(parameter.requires_grad for parameter in part.parameters())
        if is_frozen or not learns or (is_encoder_frozen and part is model.image_encoder):
            for module in norms(part):
                module.eval()


def is_synchronised(fabric: Fabric) -> bool:
    """Return whether the processes share the statistics of each batch."""
    return fabric.world_size > 1 and fabric.device.type == "cuda"


def norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return all modules that keep running statistics."""
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
def average_statistics(model: nn.Module, fabric: Fabric) -> None:
    """Set running statistics to their mean over the processes, so that all have the same."""
    statistics = [buffer for name, buffer in model.named_buffers() if "running_" in name]
    mean = all_reduce_sum(fabric, torch.cat([each.flatten() for each in statistics])) / fabric.world_size
    sizes = [each.numel() for each in statistics]
    for each, part in zip(statistics, torch.split(mean, sizes), strict=True):
        each.copy_(part.view_as(each))
