"""The pointer of a release root: moved as a whole, never the same twice, refused when damaged."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from towerflow.errors import InputError
from towerflow.retrieval.pointer import (
    HISTORY_LENGTH,
    POINTER_FILE,
    POINTER_LIMIT,
    How,
    Pointer,
    is_release_id,
    read_pointer,
    write_pointer,
)
from towerflow.storage.object_store import ABSENT, Conflict

FIRST = Pointer.after(None, "r-1", "2026-01-01T00:00:00+00:00", How.PUBLISH)
SECOND = Pointer.after(FIRST, "r-2", "2026-01-02T00:00:00+00:00", How.PUBLISH)


def test_before_the_first_publish_there_is_none(tmp_path: Path) -> None:
    assert read_pointer(str(tmp_path)) == (None, ABSENT)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_pointer(str(tmp_path), FIRST, ABSENT)
    assert json.loads((tmp_path / POINTER_FILE).read_text("utf-8")) == {
        "revision": 1,
        "release_id": "r-1",
        "published_at": "2026-01-01T00:00:00+00:00",
        "previous": None,
        "history": [
            {"number": 1, "release_id": "r-1", "at": "2026-01-01T00:00:00+00:00", "how": "publish"}
        ],
        "retired": [],
        "pruner": "",
    }
    found, generation = read_pointer(str(tmp_path))
    assert found == FIRST
    write_pointer(str(tmp_path), SECOND, generation)
    assert read_pointer(str(tmp_path))[0] == SECOND
    visible = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert visible == [POINTER_FILE]


def test_it_is_written_only_by_who_has_seen_its_last_state(tmp_path: Path) -> None:
    write_pointer(str(tmp_path), FIRST, ABSENT)
    with pytest.raises(Conflict):
        write_pointer(str(tmp_path), SECOND, ABSENT)
    assert read_pointer(str(tmp_path))[0] == FIRST


def test_a_move_is_numbered_and_remembers_what_was_before() -> None:
    back = Pointer.after(SECOND, "r-1", "2026-01-03T00:00:00+00:00", How.ROLLBACK)
    assert (back.revision, back.release_id, back.previous) == (3, "r-1", "r-2")
    assert [(move.number, move.release_id, move.how.value) for move in back.history] == [
        (1, "r-1", "publish"),
        (2, "r-2", "publish"),
        (3, "r-1", "rollback"),
    ]


def test_its_content_never_comes_again() -> None:
    """Else who saw the first could take the third for it, as its generation is its content."""
    states = [FIRST, SECOND]
    for how, name in ((How.ROLLBACK, "r-1"), (How.ROLLBACK, "r-2")) * 3:
        states.append(Pointer.after(states[-1], name, FIRST.published_at, how))
    for releases, pruner in ((["r-9"], "me"), ([], "")) * 2:
        states.append(states[-1].retiring(releases, pruner))
    contents = [state.model_dump_json() for state in states]
    assert len(set(contents)) == len(contents) == 2 + 6 + 4
    assert [state.revision for state in states] == list(range(1, 2 + 6 + 4 + 1))


def test_the_last_thousand_moves_are_remembered_by_their_numbers(tmp_path: Path) -> None:
    pointer = FIRST
    for number in range(2, HISTORY_LENGTH + 6):
        pointer = Pointer.after(pointer, f"r-{number:016}", FIRST.published_at, How.PUBLISH)
    assert len(pointer.history) == HISTORY_LENGTH
    assert (pointer.history[0].number, pointer.history[-1].number) == (1 + 5, HISTORY_LENGTH + 5)
    write_pointer(str(tmp_path), pointer, ABSENT)
    assert read_pointer(str(tmp_path))[0] == pointer
    assert (tmp_path / POINTER_FILE).stat().st_size < POINTER_LIMIT / 4


def change(**fields: Any) -> str:
    """SECOND with other fields."""
    return json.dumps(SECOND.model_dump(mode="json") | fields)


MOVES = SECOND.model_dump(mode="json")["history"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "expected a pointer to a release, found no JSON"),
        ("{", "expected a pointer to a release, found no JSON"),
        ("[" * 100_000, "expected a pointer to a release, found no JSON"),
        ("[]", "expected a pointer to a release, .* found"),
        ("null", "expected a pointer to a release, .* found"),
        ("{}", "revision: expected a pointer to a release"),
        (change(release_id=7), "release_id: expected a pointer to a release, .* found '7'"),
        (change(unknown=1), "unknown: expected a pointer to a release"),
        (change(revision=0), "revision: expected"),
        (change(revision=float("nan")), "revision: expected"),
        (change(history=[]), "history: expected"),
        (change(history=MOVES[:1]), "the last moves led elsewhere"),
        (change(history=MOVES[::-1]), "moves are not numbered one by one"),
        (change(previous=None), "the last moves led elsewhere"),
        (change(release_id="r-1", previous="r-2"), "the last moves led elsewhere"),
        (change(retired=["r-2"]), "what is current is being deleted"),
        (change(retired=["../.."]), r"retired\.0: expected"),
    ],
)
def test_a_damaged_pointer_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / POINTER_FILE).write_text(content)
    with pytest.raises(InputError, match=rf"current\.json: .*{sentence}"):
        read_pointer(str(tmp_path))


@pytest.mark.parametrize(
    "name",
    ["..", "", ".", "/", "r-1/..", "../releases/r-1", "a\\b", "a\0b", "r 1", "r-1\n", "x" * 101],
)
def test_a_pointer_to_anything_but_a_name_is_refused(tmp_path: Path, name: str) -> None:
    moves = [MOVES[0], {**MOVES[1], "release_id": name}]
    for field in ({"release_id": name}, {"history": moves}, {"retired": [name]}):
        (tmp_path / POINTER_FILE).write_text(change(**field))
        with pytest.raises(InputError, match=r"current\.json: .*expected a pointer to a release"):
            read_pointer(str(tmp_path))


def test_a_pointer_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / POINTER_FILE).write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match=r"current\.json: expected a pointer to a release"):
        read_pointer(str(tmp_path))


def test_a_pointer_of_a_terabyte_is_refused_and_not_read(tmp_path: Path) -> None:
    with (tmp_path / POINTER_FILE).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match=rf"current\.json: expected at most {POINTER_LIMIT:,} b"):
        read_pointer(str(tmp_path))


def spoil(content: bytes, draw: random.Random) -> bytes:
    """Cut, or with something changed, left out, doubled or put in."""
    at = draw.randrange(len(content))
    other = draw.randrange(len(content))
    strange = draw.choice([b"-", b"9" * 5000, b"1e999", b"[" * 2000])
    return draw.choice(
        [
            content[:at],
            content[:at] + draw.randbytes(1) + content[at + 1 :],
            content[:at] + content[other:],
            content[:at] + strange + content[at:],
        ]
    )


def test_whatever_becomes_of_its_bytes_it_is_refused_or_agrees_with_itself(tmp_path: Path) -> None:
    """500 times; it has no hash, since people may have to mend it."""
    draw = random.Random(0)
    content = SECOND.model_dump_json(indent=2).encode()
    told = []
    for _ in range(500):
        (tmp_path / POINTER_FILE).write_bytes(spoil(content, draw))
        try:
            found, _ = read_pointer(str(tmp_path))
        except InputError as error:
            told.append(str(error))
            continue
        assert found is not None
        assert found.release_id == found.history[-1].release_id
        assert is_release_id(found.release_id)
    assert len(told) > 400
    assert all(one.startswith(f"{tmp_path}/{POINTER_FILE}: ") for one in told)
    assert max(map(len, told)) < 1000, "a sentence that can be read"
