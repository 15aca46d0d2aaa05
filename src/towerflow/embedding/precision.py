"""What the LLM calculates in on this machine, and linear layers that are fast at it."""

from typing import Final

import torch
from torch import Tensor, nn

from towerflow.embedding.settings import Precision
from towerflow.errors import InputError

AUTO: Final = "auto"
_PACKED_ROWS: Final = 768  # of the batches that weights are laid out for
_INT8_MAX: Final = 127
_MIN_INT8_ROWS: Final = 17  # CUDA's int8 product takes no fewer


def resolve_precision(name: str, device: torch.device) -> Precision:
    """The precision of that name; "auto" is bfloat16 where it is fast, else float32.

    Raises:
        InputError: no such precision, or `device` has no instructions for it.
    """
    possible = available(device)
    if name == AUTO:
        return Precision.BFLOAT16 if Precision.BFLOAT16 in possible else Precision.FLOAT32
    if name not in possible:
        raise InputError(
            "precision",
            expected=f"{AUTO} or what {device.type} is fast at here: {', '.join(possible)}",
            found=name,
        )
    return Precision(name)


def available(device: torch.device) -> list[Precision]:
    """What `device` has instructions for; others would run, but slower than float32."""
    if device.type == "cuda":
        has = torch.cuda.get_device_capability(device)
        return [
            Precision.FLOAT32,
            Precision.FLOAT16,
            *([Precision.BFLOAT16] if has >= (8, 0) else []),
            *([Precision.INT8] if has >= (7, 5) else []),
        ]
    bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return [
        Precision.FLOAT32,
        *([Precision.BFLOAT16] if bfloat16 else []),
        *([Precision.INT8] if torch.cpu._is_vnni_supported() else []),
    ]


def weights_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """What weights are loaded in, and all that is not a linear layer calculates in."""
    match precision:
        case Precision.BFLOAT16:
            return torch.bfloat16
        case Precision.FLOAT16:
            return torch.float16
        case Precision.INT8 if Precision.BFLOAT16 in available(device):
            return torch.bfloat16
    return torch.float32


def prepare_linear(model: nn.Module, precision: Precision, device: torch.device) -> None:
    """Replace the linear layers of `model`, in place, by ones that are fast in `precision`."""
    if precision is Precision.INT8:
        _replace_linear(model, Int8Linear)
    elif (
        precision in (Precision.FLOAT32, Precision.BFLOAT16)
        and device.type == "cpu"
        and torch._C._has_mkldnn
    ):
        _replace_linear(model, PackedLinear)


def _replace_linear(model: nn.Module, kind: "type[PackedLinear] | type[Int8Linear]") -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, kind(child))


class PackedLinear(nn.Module):
    """`x Wᵀ + b` on a CPU, with W in the layout that oneDNN multiplies fastest (docs/adr/0016).

    torch's own float32 linear goes to MKL, which ran at a third of this on AMD; its own bfloat16
    linear brings W into the layout anew each time.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _PACKED_ROWS)

    def forward(self, x: Tensor) -> Tensor:
        """`[…, in_features]` → `[…, out_features]`."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.packed, self.bias, "none", [], ""
        )
        return result


class Int8Linear(nn.Module):
    """`x Wᵀ + b` with W in int8, a scale per output, and x in int8, a scale per token."""

    weight: Tensor
    weight_scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        weight, scale = quantise(linear.weight.detach().float())
        self.register_buffer("weight", weight.t())
        self.register_buffer("weight_scale", scale.t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """`[…, in_features]` → `[…, out_features]`."""
        rows = x.reshape(-1, self.in_features)
        quantised, scale = quantise(rows)
        if len(rows) < _MIN_INT8_ROWS and x.is_cuda:
            quantised = nn.functional.pad(quantised, (0, 0, 0, _MIN_INT8_ROWS - len(rows)))
        product = torch._int_mm(quantised, self.weight)[: len(rows)]
        result = product.float().mul_(scale).mul_(self.weight_scale)
        if self.bias is not None:
            result += self.bias
        return result.to(x.dtype).view(*x.shape[:-1], self.out_features)


def quantise(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Int8 of `rows` `[n, dim]` and the scale `[n, 1]` float32 that gives them back."""
    scale = rows.abs().amax(dim=1, keepdim=True).float().clamp_(min=1e-12) / _INT8_MAX
    return (rows / scale).round_().to(torch.int8), scale
