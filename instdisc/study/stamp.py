"""How and where a piece of a study was made."""

from __future__ import annotations

import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from instdisc.version import __version__


def stamp(name: str) -> dict[str, Any]:
    """Commit, command, machine, versions and date.

    Args:
        name: of the preset.
    """
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    # Kernels of another instruction set add up in another order: other bits, so other weights.
    processor = f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"
    return {
        "commit": _commit(),
        "command": f"instdisc study {name}",
        "machine": f"{platform.system()} {processor}, {gpu}",
        "versions": {"instdisc": __version__, "torch": str(torch.__version__)},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _commit() -> str:
    """Of the checkout that the package lies in; ``""`` if it lies in none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
