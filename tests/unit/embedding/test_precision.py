"""Fast linear layers are linear layers; what the machine lacks is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from towerflow.embedding.precision import (
    Int8Linear,
    PackedLinear,
    available,
    prepare_linear,
    quantise,
    resolve_precision,
    weights_dtype,
)
from towerflow.embedding.settings import Precision
from towerflow.errors import InputError

CPU = torch.device("cpu")


needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN"
)


@needs_onednn
@pytest.mark.parametrize("rows", [1, 5, 512, 700])
@pytest.mark.parametrize("bias", [True, False])
def test_packed_weights_give_the_same_product(rows: int, bias: bool) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(48, 40, bias=bias), torch.randn(2, rows, 48)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(linear)(x), linear(x), atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(
    Precision.INT8 not in available(CPU), reason="this CPU has no instructions for int8"
)
@pytest.mark.parametrize("bias", [True, False])
def test_int8_is_near_the_product(bias: bool) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(64, 32, bias=bias), torch.randn(3, 20, 64)
    with torch.inference_mode():
        exact, found = linear(x), Int8Linear(linear)(x)
    assert found.shape == exact.shape
    assert torch.cosine_similarity(found, exact, dim=-1).min() > 0.999
    assert not torch.equal(found, exact)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3))
def test_a_row_comes_back_to_within_half_a_step(row: list[float]) -> None:
    exact = torch.tensor([row])
    quantised, scale = quantise(exact)
    assert (quantised * scale - exact).abs().max() <= scale.item() * 0.5001
    assert quantised.abs().max() <= 127


@needs_onednn
def test_a_model_has_its_linear_layers_replaced_and_no_others() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 2)))
    prepare_linear(model, Precision.FLOAT16, torch.device("cuda"))
    assert type(model[0]) is nn.Linear, "a GPU's own are fast"
    prepare_linear(model, Precision.FLOAT32, CPU)
    kinds = [type(module).__name__ for module in model.modules()]
    assert kinds == ["Sequential", "PackedLinear", "LayerNorm", "Sequential", "PackedLinear"]


def test_auto_is_bfloat16_where_the_machine_is_fast_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_vnni_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert resolve_precision("auto", CPU) is Precision.FLOAT32
    with pytest.raises(InputError, match=r"precision: expected auto or what cpu .* found bfloat16"):
        resolve_precision("bfloat16", CPU)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    assert available(CPU) == [Precision.FLOAT32, Precision.INT8]
    assert weights_dtype(Precision.INT8, CPU) is torch.float32
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert resolve_precision("auto", CPU) is Precision.BFLOAT16
    assert weights_dtype(Precision.INT8, CPU) is torch.bfloat16


@pytest.mark.parametrize("name", ["float16", "float64"])
def test_a_cpu_has_no_fast_half_precision(name: str) -> None:
    with pytest.raises(InputError, match=f"found {name}"):
        resolve_precision(name, CPU)
