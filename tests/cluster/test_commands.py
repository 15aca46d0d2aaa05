"""`towerflow upload | submit | schedule | schedules | runs`, against the stand-in."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import PARAMS, Cli, WriteEnvironment, failed, passed, state
from tests.cluster.kfp_server import KfpServer
from towerflow.cluster.versions import commit_version

RETRAIN = "towerflow-retrain"
SUBMIT = ("submit", "--pipeline", "retrain", *PARAMS)
SCHEDULE = ("schedule", "--pipeline", "retrain", *PARAMS, "--cron")
NIGHTLY = "0 0 3 * * *"


def upload(cli: Cli, version: str = "v1", pipeline: str = "retrain") -> str:
    return passed(cli("upload", "--pipeline", pipeline, "--version", version))


def sent_as(kfp: KfpServer, text: str) -> list[dict[str, object]]:
    """What a dry run showed, with the server's ids in place of names."""
    ids = {f"<id of pipeline {one.display_name}>": key for key, one in kfp.pipelines.items()}
    ids |= {f"<id of version {one.display_name}>": key for key, one in kfp.versions.items()}
    ids |= {f"<id of experiment {one.display_name}>": key for key, one in kfp.experiments.items()}
    for name, key in ids.items():
        text = text.replace(name, key)
    found: list[dict[str, object]] = json.loads(text)["requests"]
    return found


def test_upload_names_the_version_by_the_commit(cli: Cli, kfp: KfpServer) -> None:
    version = commit_version()
    told = passed(cli("upload"))
    names = [one.display_name for one in kfp.pipelines.values()]
    assert names == [RETRAIN, "towerflow-refresh-items", "towerflow-compare-models"]
    assert {one.display_name for one in kfp.versions.values()} == {version}
    assert f"{kfp.url}/#/pipelines/details/pipeline-1/version/version-2" in told
    assert ("warning: files differ" in told) == version.endswith("-dirty")


def test_the_same_version_again_is_no_error(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    assert "is there already, with the same content" in upload(cli)
    assert len(kfp.versions) == 1


def test_a_version_is_not_replaced_and_the_others_are_uploaded(cli: Cli, kfp: KfpServer) -> None:
    """As when an upload ended half-way, and what is built again has other content."""
    upload(cli, pipeline="refresh_items")
    [version] = kfp.versions.values()
    version.description = "towerflow upload, sha256:other"
    done = cli("upload", "--version", "v1")
    assert failed(done, 1) == (
        "error: version v1 of refresh_items is another on the server, and versions cannot be "
        "replaced (409); commit, or give another --version"
    )
    lines = done.output.splitlines()
    assert [line.partition(": http")[0] for line in lines[:-1]] == [
        "retrain v1: uploaded",
        "refresh_items v1: not uploaded",
        "compare_models v1: uploaded",
    ]
    assert "has a version v1 with other content" in lines[1]
    assert len(kfp.versions) == 3


def test_submit_compiles_and_sends(kfp: KfpServer, write_environment: WriteEnvironment) -> None:
    """The whole command, in a process of its own."""
    command = [sys.executable, "-m", "towerflow", *SUBMIT, "--param", "seed=7", "--no-cache"]
    command += ["--env", str(write_environment())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"run run-2: {kfp.url}/#/runs/details/run-2\n"
    assert [one.path for one in kfp.writes] == [
        "/apis/v2beta1/experiments",
        "/apis/v2beta1/runs",
    ]
    body = kfp.writes[1].body
    assert body["service_account"] == "trainer"
    assert body["runtime_config"]["pipeline_root"] == "gs://bucket/root"
    assert body["runtime_config"]["parameters"]["seed"] == 7
    assert body["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    assert '"enableCache": true' not in json.dumps(body)


def test_submit_runs_what_is_uploaded(cli: Cli, kfp: KfpServer) -> None:
    upload(cli, "v1")
    upload(cli, "v2")
    passed(cli(*SUBMIT, "--uploaded"))
    passed(cli(*SUBMIT, "--pinned-version", "v1"))
    latest, pinned = (one.body["pipeline_version_reference"] for one in kfp.writes[-2:])
    assert latest == {"pipeline_id": "pipeline-1"}
    assert pinned == {"pipeline_id": "pipeline-1", "pipeline_version_id": "version-2"}


def test_what_was_not_uploaded_cannot_be_run(cli: Cli) -> None:
    told = failed(cli(*SUBMIT, "--uploaded"), 2)
    assert f"no pipeline {RETRAIN} in namespace team; run `towerflow upload` first" in told
    upload(cli)
    told = failed(cli(*SUBMIT, "--pinned-version", "v9"), 2)
    assert "has no version v9" in told


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--param", "sed=3"), "found 'sed'; near it: seed."),
        (("--param", "seed=three"), "--param seed: expected a whole number, found 'three'."),
        (("--param", "seed"), "--param: expected name=value, found 'seed'."),
        (("--param", "recipe=@nowhere.yaml"), "--param recipe: expected a text file after @"),
        (("--param", f"recipe={'x' * 8000}"), "at most 8,000 bytes as JSON, found 8,"),
        (("--no-cache", "--uploaded"), "--no-cache: expected a pipeline that is sent along"),
        (("--timeout", "3"), "--timeout: expected --wait beside it"),
        (("--params", "nowhere.yaml"), "nowhere.yaml: expected a file"),
    ],
)
def test_mistakes_are_told_before_anybody_is_asked(
    cli: Cli, kfp: KfpServer, extra: tuple[str, ...], told: str
) -> None:
    assert told in failed(cli(*SUBMIT, *extra), 2)
    assert kfp.received == []


@pytest.mark.parametrize(
    "command", [("submit",), ("submit", "--dry-run"), ("schedule", "--cron", "@daily")]
)
@pytest.mark.parametrize(
    ("pipeline", "given", "told"),
    [
        ("retrain", "recipe=leran", "error: parameter recipe: expected content-mean or ease or"),
        ("retrain", "recipe={description: x}", "parameter recipe: the recipe given as text: model"),
        ("compare_models", 'recipes=["learn", "leran"]', "error: parameter recipes: expected"),
        ("compare_models", "recipes=[1]", "found '1'"),
    ],
)
def test_a_recipe_is_checked_before_anybody_is_asked(
    cli: Cli, kfp: KfpServer, command: tuple[str, ...], pipeline: str, given: str, told: str
) -> None:
    """Rather than on the cluster, after everything was embedded."""
    required = PARAMS if pipeline == "retrain" else PARAMS[:-2]  # without release_root
    done = cli(*command, "--pipeline", pipeline, *required, "--param", given)
    assert told in failed(done, 2)
    assert kfp.received == []


def test_nothing_starts_in_an_archived_experiment(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    passed(cli(*SUBMIT))
    [experiment] = kfp.experiments.values()
    experiment.storage_state = "ARCHIVED"
    writes = len(kfp.writes)
    for command in (SUBMIT, (*SCHEDULE, NIGHTLY)):
        told = failed(cli(*command), 2)
        assert "experiment nightly is archived; restore it in the UI, or take another" in told
    assert len(kfp.writes) == writes
    passed(cli("runs"))
    experiment.storage_state = "AVAILABLE"
    passed(cli(*SUBMIT))


def test_missing_and_unknown_names(cli: Cli, kfp: KfpServer) -> None:
    told = failed(cli("submit", "--pipeline", "retrain"), 2)
    assert "none of data_version, embedding_store, encoder" in told
    told = failed(cli("submit", "--pipeline", "train"), 2)
    assert "--pipeline: expected retrain or refresh_items or compare_models" in told
    assert kfp.received == []


def test_arguments_of_a_file(cli: Cli, kfp: KfpServer, tmp_path: Path) -> None:
    recipe = "extends: learn\ndescription: Mine.\n"
    (tmp_path / "my.yaml").write_text(recipe)
    (tmp_path / "params.yaml").write_text("seed: 3\nl2: 'true'\nslice_columns: [genre]\n")
    passed(
        cli(
            *SUBMIT,
            *("--params", str(tmp_path / "params.yaml"), "--param", "seed=4"),
            *("--param", f"recipe=@{tmp_path / 'my.yaml'}", "--param", "prompt=@@home"),
        )
    )
    given = kfp.writes[-1].body["runtime_config"]["parameters"]
    names = ("seed", "l2", "slice_columns", "recipe", "prompt")
    assert [given[name] for name in names] == [4, "true", ["genre"], recipe, "@home"]


def test_runs_tell_what_failed(cli: Cli, kfp: KfpServer) -> None:
    assert "started" in passed(cli("runs"))
    for number in (1, 2, 3):
        passed(cli(*SUBMIT, "--run-name", f"run {number}"))
    change = state("FAILED", "train", "CUDA out of memory\nand so on")
    change(kfp.runs["run-3"])
    told = passed(cli("runs", "--limit", "2"))
    assert f"run 2: {kfp.url}/#/runs/details/run-3\n  train: CUDA out of memory\n" in told
    assert "run 3" in told
    assert "run 1" not in told
    assert "run 1" in passed(cli("runs", "--pipeline", "retrain"))
    assert "run 1" not in passed(cli("runs", "--pipeline", "refresh_items"))


NAMES = ["odd [/x] run", "[bold]n [/b]", ":cat: [link=http://x]y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_markup(cli: Cli, kfp: KfpServer, name: str) -> None:
    upload(cli)
    passed(cli(*SUBMIT, "--run-name", name))
    passed(cli(*SCHEDULE, NIGHTLY, "--name", name))
    for command in ("runs", "schedules"):
        assert f"│ {name} " in passed(cli(command))


def test_runs_are_listed_without_images(cli: Cli, write_environment: WriteEnvironment) -> None:
    file = write_environment()
    text = re.sub("^images: .*$", "images: {}", file.read_text("utf-8"), flags=re.MULTILINE)
    file.write_text(text, "utf-8")
    passed(cli("runs", "--pipeline", "retrain", env=file))
    assert "images.cpu: expected an image" in failed(cli(*SUBMIT, env=file), 2)


def test_runs_tell_when_older_ones_were_not_looked_at(cli: Cli, kfp: KfpServer) -> None:
    passed(cli(*SUBMIT, "--run-name", "first"))
    run = kfp.runs["run-2"]
    said = "of the experiment's runs only the latest 1,000 were looked at"
    kfp.runs |= {f"other-{number}": run for number in range(999)}
    assert said not in passed(cli("runs", "--pipeline", "refresh_items"))
    kfp.runs["one-more"] = run
    assert said in passed(cli("runs", "--pipeline", "refresh_items"))
    assert said not in passed(cli("runs", "--limit", "5"))


def test_a_schedule_follows_the_latest_version(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    told = passed(cli(*SCHEDULE, NIGHTLY))
    [body] = [one.body for one in kfp.writes if one.path.endswith("recurringruns")]
    assert body["pipeline_version_reference"] == {"pipeline_id": "pipeline-1"}
    assert (body["max_concurrency"], body["no_catchup"], body["mode"]) == ("1", True, "ENABLE")
    assert body["trigger"] == {"cron_schedule": {"cron": NIGHTLY}}
    assert body["display_name"] == "retrain"
    assert told.count(" 03:00:00") == 3
    assert "KFP's cache skips" in told


def test_a_pinned_schedule_that_catches_up_later(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    passed(cli(*SCHEDULE, "@daily", "--pinned-version", "v1", "--catch-up", "--disabled"))
    body = kfp.writes[-1].body
    assert body["pipeline_version_reference"]["pipeline_version_id"] == "version-2"
    assert (body["no_catchup"], body["mode"]) == (False, "DISABLE")
    assert body["trigger"]["cron_schedule"]["cron"] == "0 0 0 * * *"
    assert "retrain: version version-2: http" in passed(cli("schedules"))


def test_an_equal_schedule_stays(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    passed(cli(*SCHEDULE, NIGHTLY))
    before = len(kfp.writes)
    assert "is there already, nothing changed" in passed(cli(*SCHEDULE, NIGHTLY))
    assert len(kfp.writes) == before


def test_a_schedule_is_replaced_and_never_deleted(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    passed(cli(*SCHEDULE, NIGHTLY))
    passed(cli(*SCHEDULE, NIGHTLY, "--name", "another"))
    told = passed(cli(*SCHEDULE, "0 0 4 * * *"))
    statuses = [(one.display_name, one.status) for one in kfp.recurring_runs.values()]
    assert statuses == [("retrain", "DISABLED"), ("another", "ENABLED"), ("retrain", "ENABLED")]
    assert "disabled the old one: recurring-4" in told
    assert [one.path.rpartition("/")[2] for one in kfp.writes[-2:]] == [
        "recurringruns",  # the new one is there before the old one ends
        "recurring-4:disable",
    ]


def test_schedules_are_listed_and_stopped(cli: Cli, kfp: KfpServer) -> None:
    assert "name" in passed(cli("schedules"))
    upload(cli)
    passed(cli(*SCHEDULE, NIGHTLY))
    assert "enabled" in passed(cli("schedules"))
    one = kfp.recurring_runs["recurring-4"]
    one.recurring_run_id, one.pipeline_version_reference.pipeline_version_id = "i" * 36, "v" * 36
    narrow = passed(cli("schedules", variables={"COLUMNS": "40"})).splitlines()
    page = f"{kfp.url}/#/recurringrun/details/{'i' * 36}"
    assert narrow[-1] == f"retrain: version {'v' * 36}: {page}"
    one.recurring_run_id = "recurring-4"
    told = passed(cli("schedules", "--disable", "retrain"))
    assert "disabled recurring-4" in told
    assert kfp.recurring_runs["recurring-4"].status == "DISABLED"
    told = failed(cli("schedules", "--disable", "hourly"), 2)
    assert "--disable hourly: no such schedule; there are: retrain" in told
    # Stopped by hand: the same settings start it again.
    assert "created" in passed(cli(*SCHEDULE, NIGHTLY))


def test_a_name_of_another_pipeline_is_refused(cli: Cli, kfp: KfpServer) -> None:
    upload(cli)
    passed(cli(*SCHEDULE, NIGHTLY))
    kfp.recurring_runs["recurring-4"].pipeline_version_reference.pipeline_id = "pipeline-9"
    assert "is of another pipeline; give another --name" in failed(cli(*SCHEDULE, "@daily"), 2)


def test_a_wrong_cron_asks_nobody(cli: Cli, kfp: KfpServer) -> None:
    assert 'put "0 " in front' in failed(cli(*SCHEDULE, "0 3 * * *"), 2)
    assert kfp.received == []


@pytest.mark.parametrize(
    "command",
    [
        ("upload", "--pipeline", "refresh_items", "--version", "v1"),
        (*SUBMIT, "--run-name", "now"),
        (*SUBMIT, "--run-name", "now", "--pinned-version", "v1"),
        (*SCHEDULE, NIGHTLY),
        (*SCHEDULE, "@hourly", "--pinned-version", "v1", "--disabled"),
    ],
    ids=["upload", "submit", "submit pinned", "schedule", "schedule pinned"],
)
def test_a_dry_run_asks_nobody_and_shows_what_is_sent(
    cli: Cli, kfp: KfpServer, command: tuple[str, ...]
) -> None:
    upload(cli)
    already = len(kfp.received), len(kfp.writes)
    dry = cli(*command, "--dry-run")
    passed(dry)
    shown = dry.stdout
    assert len(kfp.received) == already[0]
    passed(cli(*command))
    expected = [call for call in sent_as(kfp, shown) if ":disable" not in str(call["path"])]
    sent = kfp.writes[already[1] :]
    assert [(one.method, one.path) for one in sent] == [
        (call["method"], call["path"]) for call in expected
    ]
    for one, call in zip(sent, expected, strict=True):
        assert one.query == call.get("query", {})
        if "file" not in call:
            assert one.body == call.get("body")


def test_a_dry_run_warns_beside_its_json(cli: Cli) -> None:
    done = cli(*SCHEDULE, NIGHTLY, "--dry-run")
    assert "warning: each run has the same arguments, so that KFP's cache" in done.stderr
    assert json.loads(done.stdout)["requests"]


def test_an_environment_without_a_server(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    path.write_text("description: x\n")
    assert "alone.yaml: server: expected where" in failed(cli("runs", env=path), 2)
