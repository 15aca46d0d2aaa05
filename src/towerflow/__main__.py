"""`towerflow` and `python -m towerflow`: the command line, where what it needs is installed."""

import sys


def main() -> None:
    """Entry point."""
    try:
        from towerflow.cli import main as run
    except ModuleNotFoundError as error:  # a service installs no more than `Release` needs
        sys.exit(
            f"error: no {error.name}: the command line needs pip install 'towerflow[pipeline]'"
        )
    run()


if __name__ == "__main__":
    main()
