"""Training that was interrupted ends with the weights it would have had."""

from pathlib import Path

import pytest
import torch

from tests.unit.training.circle import (
    ACROSS,
    CONFIG,
    EMBEDDINGS,
    LOG,
    NEXT,
    NUM_ITEMS,
    TRAINING,
    new_model,
    same_weights,
    train,
)
from towerflow.evaluation.protocol import Task
from towerflow.models.learn import Learn
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.config import (
    AllAction,
    Candidates,
    Cut,
    NextItem,
    OneTarget,
    SoftmaxConfig,
    TrainingConfig,
)
from towerflow.training.loop import train_model

WITH_DROPOUT = CONFIG.model_copy(update={"dropout": 0.3, "attention_dropout": 0.1})
FOUR = TRAINING.model_copy(update={"epochs": 4})


class InterruptionError(Exception):
    """A pod that is taken away."""


def interrupt(
    model: Learn | SASRec,
    training: TrainingConfig,
    checkpoint: Checkpoint,
    after: int,
    validation: Task = NEXT,
) -> None:
    """Train until epoch `after` has ended."""

    def stop(epoch: Epoch) -> None:
        if epoch.number == after:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train_model(model, training, LOG, EMBEDDINGS, validation, checkpoint, stop)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(str(tmp_path / "state.safetensors"))


@pytest.mark.parametrize(
    "objective",
    [
        NextItem(),
        NextItem(softmax=SoftmaxConfig(candidates=Candidates.SAMPLED, num_negatives=3)),
        OneTarget(),
        AllAction(cut=Cut.RANDOM),
    ],
)
@pytest.mark.parametrize("after", [1, 3])
def test_a_run_that_goes_on_ends_as_one_that_never_stopped(
    checkpoint: Checkpoint, objective: NextItem | OneTarget | AllAction, after: int
) -> None:
    training = FOUR.model_copy(update={"objective": objective})
    whole, curve = train(training, model=new_model(WITH_DROPOUT))
    interrupt(new_model(WITH_DROPOUT), training, checkpoint, after)
    other_start = new_model(WITH_DROPOUT, seed=9)  # its weights must not matter
    again, its_curve = train(training, model=other_start, checkpoint=checkpoint)
    assert its_curve == curve
    assert same_weights(again, whole)


def test_several_interruptions_change_nothing_either(checkpoint: Checkpoint) -> None:
    whole, curve = train(FOUR, model=new_model(WITH_DROPOUT))
    for after in (1, 2, 3):
        interrupt(new_model(WITH_DROPOUT), FOUR, checkpoint, after)
    again, its_curve = train(FOUR, model=new_model(WITH_DROPOUT), checkpoint=checkpoint)
    assert its_curve == curve
    assert same_weights(again, whole)


def test_sasrec_goes_on_too(checkpoint: Checkpoint) -> None:
    def new() -> SASRec:
        torch.manual_seed(0)
        return SASRec(SASRecConfig(width=8, num_layers=1, num_heads=2, feedforward=8), NUM_ITEMS)

    whole, curve = train(FOUR, model=new())
    interrupt(new(), FOUR, checkpoint, 2)
    again, its_curve = train(FOUR, model=new(), checkpoint=checkpoint)
    assert its_curve == curve
    assert same_weights(again, whole)


def test_the_best_epoch_before_the_interruption_is_kept(checkpoint: Checkpoint) -> None:
    eight = TRAINING.model_copy(update={"epochs": 8, "patience": 8})
    whole, curve = train(eight, validation=ACROSS)
    best = max(curve, key=lambda epoch: epoch.validation).number
    assert best < 7  # else this test would say nothing
    interrupt(new_model(), eight, checkpoint, best + 1, ACROSS)
    again, _ = train(eight, validation=ACROSS, checkpoint=checkpoint)
    assert same_weights(again, whole)


def test_patience_that_is_used_up_stays_used_up(checkpoint: Checkpoint) -> None:
    patient = TRAINING.model_copy(update={"patience": 2})
    _, curve = train(patient, validation=ACROSS)
    interrupt(new_model(), patient, checkpoint, curve[-1].number, ACROSS)
    assert train(patient, validation=ACROSS, checkpoint=checkpoint)[1] == curve


def test_epochs_that_are_done_are_told_again_and_not_trained(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, curve = train(FOUR, checkpoint=checkpoint)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: pytest.fail("it trains"))
    told: list[Epoch] = []
    again = new_model(seed=9)
    its_curve = train_model(again, FOUR, LOG, EMBEDDINGS, NEXT, checkpoint, told.append)
    assert told == its_curve == curve
    assert same_weights(again, whole)


def test_it_is_one_file_that_can_be_deleted_twice(checkpoint: Checkpoint) -> None:
    train(FOUR, checkpoint=checkpoint)
    path = Path(checkpoint.path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    checkpoint.delete(num_parts=1)
    checkpoint.delete(num_parts=1)
    assert not path.exists()


def test_parts_lie_beside_it_and_are_deleted_with_it(tmp_path: Path) -> None:
    checkpoint, other = (Checkpoint(str(tmp_path / f"{name}.safetensors")) for name in "ab")
    parts = [checkpoint.part(number) for number in (1, 2, 3)]
    for one in (checkpoint, *parts, other, other.part(1)):
        train(FOUR.model_copy(update={"epochs": 1}), checkpoint=one)
    names = ["a-1.safetensors", "a-2.safetensors", "a-3.safetensors", "a.safetensors"]
    others = ["b-1.safetensors", "b.safetensors"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [*names, *others]
    checkpoint.delete(num_parts=2)
    left = sorted(file.name for file in tmp_path.iterdir())
    assert left == ["a-3.safetensors", *others]  # as many parts as were asked for


def test_parts_alone_are_deleted_too(checkpoint: Checkpoint) -> None:
    train(FOUR.model_copy(update={"epochs": 1}), checkpoint=checkpoint.part(2))
    checkpoint.delete(num_parts=2)
    assert list(Path(checkpoint.path).parent.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut short", "empty", "not one", "no curve", "no header"])
def test_a_damaged_file_is_said_and_training_starts_anew(
    checkpoint: Checkpoint, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, curve = train(FOUR)
    interrupt(new_model(), FOUR, checkpoint, 2)
    path = Path(checkpoint.path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut short": content[:-100],
            "empty": b"",
            "not one": b"\xff" * 500,
            "no curve": content.replace(b'"curve"', b'"other"', 1),
            "no header": content.replace(b'"__metadata__"', b'"_no_metadata"', 1),
        }[damage]
    )
    again, its_curve = train(FOUR, checkpoint=checkpoint)
    assert f"{checkpoint.path} is damaged; training starts anew" in capsys.readouterr().out
    assert its_curve == curve
    assert same_weights(again, whole)


def test_without_a_file_nothing_is_said(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    train(FOUR.model_copy(update={"epochs": 1}), checkpoint=checkpoint)
    assert capsys.readouterr().out == ""
    assert Path(checkpoint.path).exists()


def test_what_is_kept_replaces_what_was_kept_and_leaves_no_draft(checkpoint: Checkpoint) -> None:
    path = Path(checkpoint.path)
    sizes = []

    def look(epoch: Epoch) -> None:
        sizes.append(path.stat().st_size)
        assert list(path.parent.iterdir()) == [path]

    train_model(new_model(), FOUR, LOG, EMBEDDINGS, NEXT, checkpoint, look)
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) < 500  # a line of the curve each
