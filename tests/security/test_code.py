"""What code of ours must never do, whatever it is for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("src", "components", "pipelines") for path in (ROOT / folder).rglob("*.py")
)
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "torch.load",
    "torch.save",
    "torch.jit.load",
    "yaml.load",
    "pd.read_pickle",
    "tarfile.open",
}
UNSAFE_ARGUMENTS = {"shell", "trust_remote_code", "allow_pickle"}


def unsafe(tree: ast.AST) -> Iterator[str]:
    """What must not be in `tree`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from {name.name.split(".")[0] for name in names} & UNSAFE_MODULES
            case ast.ImportFrom(module=str(module)):
                yield from {module.split(".")[0]} & UNSAFE_MODULES
            case ast.Call(func=function, keywords=keywords):
                yield from {ast.unparse(function)} & UNSAFE_CALLS
                yield from (
                    word.arg
                    for word in keywords
                    if word.arg in UNSAFE_ARGUMENTS and ast.unparse(word.value) != "False"
                )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_and_nothing_foreign_is_run(path: Path) -> None:
    assert list(unsafe(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "subprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=trusted)",
        "np.load(file, allow_pickle=True)",
        *(f"{call}(file)" for call in sorted(UNSAFE_CALLS)),
    ],
)
def test_it_would_be_seen(line: str) -> None:
    assert len(list(unsafe(ast.parse(line)))) == 1
