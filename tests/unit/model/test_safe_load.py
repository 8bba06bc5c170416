import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cris.model.safe_load import read_tensors

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

CONVOLUTION = 4 * 3 * 3 * 3 * 2
"""Bytes of the archive's convolution, in float16."""


class Pool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(5, 4))
        self.proj = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x + self.positional_embedding[0])


class Small(nn.Module):
    """Holds all that CLIP's archives hold: nested modules, buffers, plain numbers, typed lists."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.attnpool = Pool()
        self.logit_scale = nn.Parameter(torch.ones([]))
        self.register_buffer("context_length", torch.tensor(77))
        self.register_buffer("empty", torch.zeros(0))
        self.width = 4
        self.sizes = [1, 2]

    def forward(self, x: Tensor) -> Tensor:
        return self.attnpool(self.visual(x).mean((2, 3))) * self.logit_scale


@pytest.fixture(params=["script", "trace"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    torch.manual_seed(0)
    module = Small().eval()
    compiled = torch.jit.script(module) if request.param == "script" else None
    compiled = compiled or torch.jit.trace(module, torch.ones(1, 3, 8, 8))
    path = tmp_path / "RN50.pt"
    torch.jit.save(compiled.half(), path)
    return path, module.half().state_dict()


def assert_same(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor), name


def test_torchscript_archive_gives_its_tensors(archive: tuple[Path, dict[str, Tensor]]) -> None:
    assert_same(read_tensors(archive[0]), archive[1])


def test_torchscript_archive_is_never_loaded_as_a_program(
    archive: tuple[Path, dict[str, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("torch.jit.load was called")

    monkeypatch.setattr(torch.jit, "load", refuse)
    monkeypatch.setattr(torch._C, "import_ir_module", refuse)
    read_tensors(archive[0])


def repacked(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with some of its members changed, or left out."""
    target = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as result:
        for info in source.infolist():
            data = change(info.filename.partition("/")[2], source.read(info))
            if data is not None:
                result.writestr(info.filename, data)
    return target


class Shell:
    """Unpickled, it would run a command that leaves a file behind."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"echo ran > '{self.witness}'",)


def test_hostile_torchscript_archive_is_refused_and_does_not_run(
    archive: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    payload = pickle.dumps(Shell(witness), protocol=2)
    path = repacked(archive[0], lambda name, data: payload if name == "data.pkl" else data)
    with pytest.raises(ValueError, match=r"changed\.pt .* needs (posix|nt)\.system, which could run code"):
        read_tensors(path)
    assert not witness.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "torch.load",
        "torch._utils._rebuild_parameter",
        "torch.jit.load",
    ],
)
def test_torchscript_archive_may_not_name_other_code(
    archive: tuple[Path, dict[str, Tensor]], name: str
) -> None:
    module, _, attribute = name.rpartition(".")
    payload = f"c{module}\n{attribute}\n.".encode()
    path = repacked(archive[0], lambda name, data: payload if name == "data.pkl" else data)
    with pytest.raises(ValueError, match="could run code"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("data.pkl", lambda data: data[: len(data) // 2]),
        ("data.pkl", lambda data: None),
        ("storage", lambda data: data[:-2]),
        ("storage", lambda data: data + b"\0\0"),
        ("storage", lambda data: None),
    ],
)
def test_torchscript_archive_that_lost_a_part_is_named(
    archive: tuple[Path, dict[str, Tensor]], member: str, change: Callable[[bytes], bytes | None]
) -> None:
    def is_member(name: str, data: bytes) -> bool:
        return name == member or (
            member == "storage" and name.startswith("data/") and len(data) == CONVOLUTION
        )

    path = repacked(archive[0], lambda name, data: change(data) if is_member(name, data) else data)
    with pytest.raises(ValueError, match=r"changed\.pt is not a readable TorchScript archive"):
        read_tensors(path)


def test_a_tensor_may_not_claim_more_numbers_than_it_has(
    archive: tuple[Path, dict[str, Tensor]],
) -> None:
    five_by_four, huge = b"(K\x05K\x04t", b"(J\xff\xff\xff\x7fK\x04t"

    def inflate(name: str, data: bytes) -> bytes:
        assert name != "data.pkl" or five_by_four in data
        return data.replace(five_by_four, huge) if name == "data.pkl" else data

    with pytest.raises(ValueError, match="must fit 20 numbers"):
        read_tensors(repacked(archive[0], inflate))


def test_shared_and_circular_modules_are_read_once(archive: tuple[Path, dict[str, Tensor]]) -> None:
    # an object whose attribute "again" is itself
    circular = b"\x80\x02c__torch__\nLoop\n)\x81q\x00}(X\x05\x00\x00\x00againh\x00ub."
    path = repacked(archive[0], lambda name, data: circular if name == "data.pkl" else data)
    with pytest.raises(ValueError, match="holds no named tensors"):
        read_tensors(path)


def state_dict() -> dict[str, Tensor]:
    return OrderedDict(weight=torch.arange(6.0).reshape(2, 3), count=torch.tensor(3))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "model.", "model.net."])
@pytest.mark.parametrize("is_zip", [True, False])
def test_training_checkpoint_with_numpy_scalars_gives_its_state_dict(
    tmp_path: Path, prefix: str, is_zip: bool
) -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[35])
    content = {
        "epoch": 3,
        "cur_iou": np.float64(0.5),
        "best_iou": np.float64(0.6),
        "prec": {"Pr@50": np.float64(0.7), "count": np.int64(2), "half": np.float32(0.1)},
        "state_dict": OrderedDict((prefix + name, tensor) for name, tensor in state_dict().items()),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }
    path = tmp_path / "best_model.pth"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    assert_same(read_tensors(path), state_dict())


@pytest.mark.parametrize("place", ["model", "model_state_dict", "module", "net", "weights", "params"])
def test_a_state_dict_is_found_where_training_scripts_keep_it(tmp_path: Path, place: str) -> None:
    path = tmp_path / "model.pth"
    compiled = {f"module.{name}": tensor for name, tensor in state_dict().items()}
    torch.save({"epoch": 3, "config": {"model": "RN50"}, "params_of": {}, place: compiled}, path)
    assert_same(read_tensors(path), state_dict())


def test_the_mark_of_torch_compile_is_taken_off_wherever_it_stands(tmp_path: Path) -> None:
    tensors = {"visual._orig_mod.weight": torch.ones(2), "text.weight": torch.zeros(2)}
    torch.save(tensors, tmp_path / "a.pth")
    expected = {"visual.weight": tensors["visual._orig_mod.weight"], "text.weight": tensors["text.weight"]}
    assert_same(read_tensors(tmp_path / "a.pth"), expected)


def test_a_part_of_the_model_that_is_called_like_a_wrapper_keeps_its_name(tmp_path: Path) -> None:
    tensors = {"model.weight": torch.ones(2), "scale": torch.ones(1)}
    torch.save(tensors, tmp_path / "a.pth")
    assert_same(read_tensors(tmp_path / "a.pth"), tensors)


def test_checkpoint_written_under_old_numpy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    content = {"best_iou": np.float64(0.6), "state_dict": state_dict()}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    data = path.read_bytes()
    assert new in data or old in data
    path.write_bytes(data.replace(new, old))
    assert_same(read_tensors(path), state_dict())


@pytest.mark.parametrize("is_zip", [True, False])
def test_hostile_pickle_is_refused_and_does_not_run(tmp_path: Path, is_zip: bool) -> None:
    witness, path = tmp_path / "witness", tmp_path / "best_model.pth"
    content = {"best_iou": Shell(witness), "state_dict": state_dict()}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(
        ValueError, match=r"best_model\.pth .*needs (posix|nt)\.system, which could run"
    ) as error:
        read_tensors(path)
    assert "\n" not in str(error.value)
    assert not witness.exists()


def test_plain_state_dict_and_safetensors_are_read(tmp_path: Path) -> None:
    torch.save(state_dict(), tmp_path / "RN50.pth")
    assert_same(read_tensors(tmp_path / "RN50.pth"), state_dict())
    save_file(dict(state_dict()), tmp_path / "open_clip_model.safetensors")
    assert_same(read_tensors(str(tmp_path / "open_clip_model.safetensors")), state_dict())


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_file_is_named_in_one_line(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save(state_dict(), path)
    else:
        save_file(dict(state_dict()), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=path.name) as error:
        read_tensors(path)
    assert "\n" not in str(error.value)


def test_truncated_torchscript_archive_is_named(archive: tuple[Path, dict[str, Tensor]]) -> None:
    data = archive[0].read_bytes()
    archive[0].write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"RN50\.pt is not a file of plain tensors: it is cut short"):
        read_tensors(archive[0])


@pytest.mark.parametrize("content", [[1, 2], "text", {"epoch": 3}, torch.ones(2)])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth .*state dict"):
        read_tensors(tmp_path / "other.pth")


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.pth is missing: expected a file of weights"):
        read_tensors(tmp_path / "none.pth")
    with pytest.raises(ValueError, match="is a folder: expected a file of weights"):
        read_tensors(tmp_path)
