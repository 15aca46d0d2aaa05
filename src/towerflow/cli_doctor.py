"""`towerflow doctor`: is this machine, image or pod fit for the steps?"""

from typing import Annotated

import typer

from towerflow.cli_output import announce
from towerflow.doctor import examine

Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root",
        help="Folder, gs:// or s3:// that has to be writable, as --release-root; again for more.",
    ),
]


def doctor(root: Roots = None) -> None:
    """Check engines, GPUs, memory, disk and stores; exit code 1 if something is not well."""
    findings = []
    for finding in examine(root or []):
        findings.append(finding)
        announce(f"{'ok  ' if finding.is_well else 'FAIL'} {finding.name}: {finding.detail}")
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)
