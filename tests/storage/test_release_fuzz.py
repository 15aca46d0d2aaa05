"""Damaged, mixed up and hostile releases: refused with the file's name, never loaded.

1,400 manifests and 400 files spoilt by chance, some 200 by malice.
"""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.manifests import sealed
from tests.storage.mutations import (
    OF_A_FILE,
    OF_A_MANIFEST,
    means_the_same,
    out_of_the_way,
    replaced,
)
from towerflow.errors import InputError
from towerflow.retrieval.release import SERVED_FILES, Release
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import MANIFEST_FILE, ArtifactKind, FileEntry, Manifest
from towerflow.storage.artifact import open_artifact, read_manifest
from towerflow.storage.manifest import MANIFEST_LIMIT, content_hash

MANIFESTS = 1400
FILES = 400


@pytest.fixture(scope="module")
def release(shop_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's, to be spoilt and mended again by each test."""
    source = ReleaseRoot(shop_run.release_root).folder(shop_run.release_id)
    return shutil.copytree(source, tmp_path_factory.mktemp("fuzz") / "release")


def refused(release: Path, file: str) -> str:
    """What is said when it is opened; InputError alone, which names the file, and is readable."""
    with pytest.raises(InputError) as of_artifact:
        open_artifact(release, ArtifactKind.RELEASE)
    told = str(of_artifact.value)
    assert str(release / file) in told, told
    assert len(told) < 1500, "a sentence that can be read"
    told.encode()
    if file in (MANIFEST_FILE, *SERVED_FILES):
        with pytest.raises(InputError) as of_release:
            Release.open(release)
        assert str(of_release.value) == told
    return told


def test_it_loads_as_it_is(release: Path) -> None:
    """Else the tests below would say nothing; also with white space that nobody wrote."""
    assert Release.open(release).num_items == 50
    manifest = release / MANIFEST_FILE
    with replaced(manifest, manifest.read_bytes().replace(b"\n", b"\n\t ")):
        open_artifact(release, ArtifactKind.RELEASE)


def test_a_spoilt_manifest_is_never_loaded(release: Path) -> None:
    draw = random.Random(0)
    content = (release / MANIFEST_FILE).read_bytes()
    tried = Counter[str]()
    while tried.total() < MANIFESTS:
        mutate = OF_A_MANIFEST[tried.total() % len(OF_A_MANIFEST)]
        spoilt = mutate(content, draw)
        if means_the_same(spoilt, content):
            continue
        tried[mutate.__name__] += 1
        with replaced(release / MANIFEST_FILE, spoilt):
            refused(release, MANIFEST_FILE)
    assert min(tried.values()) >= MANIFESTS // len(OF_A_MANIFEST)
    open_artifact(release, ArtifactKind.RELEASE)


def test_a_spoilt_file_is_never_loaded(release: Path) -> None:
    draw = random.Random(1)
    names = sorted(read_manifest(release).files)
    for number in range(FILES):
        name = names[number % len(names)]
        content = (release / name).read_bytes()
        spoilt = draw.choice(OF_A_FILE)(content, draw)
        assert spoilt != content
        with replaced(release / name, spoilt):
            refused(release, name)
    open_artifact(release, ArtifactKind.RELEASE)


def test_two_files_in_each_others_place_are_refused(release: Path) -> None:
    draw = random.Random(2)
    names = sorted(read_manifest(release).files)
    for _ in range(40):
        one, other = draw.sample(names, 2)
        contents = [(release / name).read_bytes() for name in (one, other)]
        if contents[0] == contents[1]:
            continue
        with replaced(release / one, contents[1]), replaced(release / other, contents[0]):
            with pytest.raises(InputError) as caught:
                open_artifact(release, ArtifactKind.RELEASE)
            assert any(str(release / name) in str(caught.value) for name in (one, other))
    open_artifact(release, ArtifactKind.RELEASE)


def nothing(_: Path, __: Path) -> None:
    """It is gone."""


PRESENT: dict[str, Callable[[Path, Path], Any]] = {
    "nothing": nothing,
    "a folder": lambda path, _: path.mkdir(),
    "a link out of the release": lambda path, secret: path.symlink_to(secret),
    "a link to nothing": lambda path, _: path.symlink_to("nowhere"),
    "a link to itself": lambda path, _: path.symlink_to(path.name),
    "a link to endless zeros": lambda path, _: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("present", PRESENT)
def test_something_else_in_the_place_of_a_file_is_refused(
    release: Path, tmp_path: Path, present: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    for name in (*read_manifest(release).files, MANIFEST_FILE):
        with out_of_the_way(release / name):
            PRESENT[present](release / name, secret)
            with pytest.raises(InputError) as caught:
                open_artifact(release, ArtifactKind.RELEASE)
            at_fault = release if name == MANIFEST_FILE else release / name
            assert str(at_fault) in str(caught.value)
            assert "somebody" not in str(caught.value)


def test_a_folder_that_leads_out_of_the_release_is_refused(release: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    with out_of_the_way(release / "model"):
        (release / "model").symlink_to(tmp_path / "other")
        with pytest.raises(InputError, match=r"release/model/"):
            open_artifact(release, ArtifactKind.RELEASE)


def with_files(manifest: Manifest, files: dict[str, FileEntry]) -> Manifest:
    """A manifest that lists other files, with the right hashes of what it says."""
    return sealed(manifest.model_copy(update={"files": files, "content_hash": content_hash(files)}))


HOSTILE_NAMES = [
    "../outside",
    "model/../../outside",
    "/etc/passwd",
    "//etc/passwd",
    "model//x",
    "./x",
    "model/.",
    "..",
    ".",
    "",
    "a\\..\\b",
    "C:\\x",
    "a\0b",
    "manifest.json",
    "items.parquet/x",
    "x/",
    "x" * 300,
    "x/" * 3000 + "x",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_well_made_manifest_that_leads_elsewhere_is_refused(
    release: Path, tmp_path: Path, name: str
) -> None:
    """Whoever can write a manifest can compute its hashes."""
    (release.parent / "outside").write_text("of somebody else")
    manifest = read_manifest(release)
    for instead_of in (None, "items.parquet", "model/config.json"):
        files = {key: entry for key, entry in manifest.files.items() if key != instead_of}
        files[name] = manifest.files[instead_of or "index.faiss"]
        content = with_files(manifest, files).model_dump_json().encode()
        with replaced(release / MANIFEST_FILE, content):
            with pytest.raises(InputError) as caught:
                open_artifact(release, ArtifactKind.RELEASE)
            assert str(release) in str(caught.value)
            for cache in (None, tmp_path / "cache"):
                with pytest.raises(InputError):
                    Release.open(release, cache)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", [name for name in SERVED_FILES if name != "user_inputs.npy"])
def test_a_well_made_manifest_that_does_not_list_what_is_served_is_refused(
    release: Path, name: str
) -> None:
    """The file lies there, and nobody has said what is in it."""
    manifest = read_manifest(release)
    files = {key: entry for key, entry in manifest.files.items() if key != name}
    content = with_files(manifest, files).model_dump_json().encode()
    with replaced(release / MANIFEST_FILE, content), pytest.raises(InputError, match=name):
        Release.open(release)


@pytest.mark.parametrize("value", [-1, 0, 1, 10**12, 10**30])
def test_a_well_made_manifest_with_a_wrong_size_is_refused(release: Path, value: int) -> None:
    manifest = read_manifest(release)
    for name, entry in manifest.files.items():
        files = {**manifest.files, name: entry.model_copy(update={"bytes": value})}
        content = with_files(manifest, files).model_dump_json().encode()
        match = name.replace(".", r"\.")
        with replaced(release / MANIFEST_FILE, content), pytest.raises(InputError, match=match):
            open_artifact(release, ArtifactKind.RELEASE)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "ivf"},
        {"kind": "ivf_pq"},
        {"kind": "hnsw"},
        {"kind": "made up"},
        {"effort": -1},
        {"rerank": 0},
        {"rerank": 10**9},
        {"recall": 2.0},
        {"recall": None},
        {"unknown": 1},
    ],
)
def test_a_well_made_manifest_that_says_something_else_of_the_index_is_refused(
    release: Path, change: dict[str, Any]
) -> None:
    manifest = read_manifest(release)
    index = manifest.details["index"]
    assert isinstance(index, dict)
    details = {**manifest.details, "index": {**index, **change}}
    content = sealed(manifest.model_copy(update={"details": details})).model_dump_json().encode()
    match = str(release)
    with replaced(release / MANIFEST_FILE, content), pytest.raises(InputError, match=match):
        Release.open(release)


def test_a_manifest_of_a_terabyte_is_refused_and_not_read(release: Path) -> None:
    with out_of_the_way(release / MANIFEST_FILE):
        with (release / MANIFEST_FILE).open("wb") as file:
            file.truncate(2**40)
        told = refused(release, MANIFEST_FILE)
    assert f"expected at most {MANIFEST_LIMIT:,} bytes" in told


def test_a_manifest_that_is_nothing_but_files_is_refused_in_time(release: Path) -> None:
    entry = b'{"bytes":1,"sha256":""}'
    listing = b",".join(b'"%d":%s' % (number, entry) for number in range(100_000))
    with replaced(release / MANIFEST_FILE, b'{"schema_version":2,"files":{%s}}' % listing):
        assert len((release / MANIFEST_FILE).read_bytes()) < MANIFEST_LIMIT
        refused(release, MANIFEST_FILE)
