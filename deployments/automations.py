"""`python -m deployments.automations`: installs what the server does by itself, or renews it."""

from __future__ import annotations

import argparse
import sys

from omnihuman_blocks.automations import install_for
from omnihuman_blocks.errors import CannotStart

GENERATE = "omnihuman-generate-catalogue/generate-catalogue"
RETRY = "omnihuman-retry-failed/retry-failed"
RECONCILE = "omnihuman-reconcile/reconcile"


def main() -> int:
    """0 where everything is installed."""
    words = argparse.ArgumentParser(prog="python -m deployments.automations", description=__doc__)
    words.add_argument("--notify", metavar="TYPE-SLUG/NAME", help="a notification block")
    notify = words.parse_args().notify
    try:
        installed = install_for(generate=GENERATE, retry=RETRY, others=[RECONCILE], notify=notify)
    except CannotStart as error:
        print(f"automations: {error}", file=sys.stderr)
        return 2
    for name in installed:
        print(name)
    if notify is None:
        print("Nobody is notified yet: name a notification block with --notify.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
