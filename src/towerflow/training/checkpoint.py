"""A training run that was interrupted goes on where its last epoch ended, to the same weights.

One safetensors file: weights, best weights and the optimiser's moments; the curve stands in its
header. Random draws need no keeping, since each epoch seeds its own.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from towerflow.storage import filesystems

WEIGHTS: Final = "weights."
BEST: Final = "best."
OPTIMISER: Final = "optimiser."
CURVE: Final = "curve"
SUFFIX: Final = ".safetensors"
HEADER_LENGTH_BYTES: Final = 8  # how the format begins


@dataclass(frozen=True)
class Epoch:
    """One line of the training curve."""

    number: int
    loss: float
    validation: float  # PRIMARY_METRIC


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of one run is kept: a local or remote file, which may not exist yet."""

    path: str

    def save(
        self, model: nn.Module, best: Mapping[str, Tensor], optimiser: Optimizer, curve: list[Epoch]
    ) -> None:
        """Keep the state after an epoch; what was kept before is replaced at once."""
        tensors = {f"{WEIGHTS}{name}": tensor for name, tensor in model.state_dict().items()}
        tensors |= {f"{BEST}{name}": tensor for name, tensor in best.items()}
        for parameter, moments in optimiser.state_dict()["state"].items():
            tensors |= {
                f"{OPTIMISER}{parameter}.{name}": tensor for name, tensor in moments.items()
            }
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        header = {CURVE: json.dumps([asdict(epoch) for epoch in curve])}
        filesystems.write_bytes(self.path, save(contiguous, header))

    def load(
        self, model: nn.Module, optimiser: Optimizer
    ) -> tuple[dict[str, Tensor], list[Epoch]] | None:
        """Put `model` and `optimiser` back; best weights and curve, or None without a state."""
        try:
            with filesystems.open_binary(self.path) as file:
                content = file.read()
        except FileNotFoundError:
            return None
        try:
            tensors, curve = load(content), _curve(content)
        except (SafetensorError, ValueError, KeyError, TypeError):
            print(f"towerflow: {self.path} is damaged; training starts anew", flush=True)
            return None
        model.load_state_dict(_under(WEIGHTS, tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under(OPTIMISER, tensors).items():
            parameter, moment = name.split(".")
            state.setdefault(int(parameter), {})[moment] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        return _under(BEST, tensors), curve

    def part(self, number: int) -> "Checkpoint":
        """That of one of several trainings of the same run."""
        return Checkpoint(f"{self.path.removesuffix(SUFFIX)}-{number}{SUFFIX}")

    def delete(self, num_parts: int) -> None:
        """Forget the state, and that of so many parts."""
        parts = [self.part(number) for number in range(1, num_parts + 1)]
        filesystems.delete_files([self.path, *(part.path for part in parts)])


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _curve(content: bytes) -> list[Epoch]:
    length = int.from_bytes(content[:HEADER_LENGTH_BYTES], "little")
    header = json.loads(content[HEADER_LENGTH_BYTES:][:length])
    return [Epoch(**epoch) for epoch in json.loads(header["__metadata__"][CURVE])]
