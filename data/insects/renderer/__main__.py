"""Command line: ``python -m data.insects.renderer --help``, from the course's folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import dataset
from .domains import DOMAINS
from .photograph import check_choice

HERE = Path(__file__).resolve().parent.parent
EXAMPLES = """\
examples:
  ten ants and ten bees, into some/folder/ants and some/folder/bees:
    python -m data.insects.renderer --domain field --seed 20 --count 10 --out some/folder
  a whole training and validation set of your own (397 photographs, about 5 minutes):
    python -m data.insects.renderer --domain dusk --seed 1 --out some/folder
  the committed set again, all three domains, with index.csv and manifest.sha256:
    python -m data.insects.renderer --all --out some/folder
  the contact sheet of the committed set:
    python -m data.insects.renderer --contact-sheet sheet.jpg
  where the insects are in 160 scenes of the committed set:
    python -m data.insects.renderer --masks masks.npz

The same seed gives the same photographs; field and dusk with the same seed show the same scenes.
No photograph made with --count is in the committed set, whatever the seed.
"""


class UsageError(Exception):
    """An argument that cannot be used; the message says what to do."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the command line; raise UsageError for what cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m data.insects.renderer",
        description="Render photographs of ants and bees.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--domain", help="field (default), studio or dusk")
    parser.add_argument("--seed", type=int, help="whole number >= 0 (default: 0)")
    parser.add_argument(
        "--count", type=int, help="photographs a class; without it a full train/ and val/"
    )
    parser.add_argument("--out", type=Path, help="a new or an empty folder")
    parser.add_argument("--processes", type=int, default=1, help="to share the work (default: 1)")
    parser.add_argument(
        "--all", action="store_true", help="remake the committed set, with index and manifest"
    )
    parser.add_argument(
        "--contact-sheet",
        type=Path,
        metavar="FILE",
        help="write a sheet of photographs of the committed set (or of the set in --out)",
    )
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="FILE",
        help="write where the insects are in 160 scenes of the committed set (.npz)",
    )
    options = parser.parse_args(arguments)
    if options.domain is not None:
        check_choice("domain", options.domain, tuple(DOMAINS))
    for name, least in (("seed", 0), ("count", 1), ("processes", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UsageError(
                f"--{name} is {value}: expected a whole number >= {least}. "
                f"Pass for example --{name} {max(least, 10)}."
            )
    for name in ("domain", "seed", "count"):
        if options.all and getattr(options, name) is not None:
            raise UsageError(
                f"--all and --{name} were both given: expected one of them. --all remakes the "
                "committed set, all domains with their fixed seed and counts; leave one out."
            )
    if options.contact_sheet is None and options.masks is None:
        if options.out is None:
            raise UsageError(
                "no folder to write to: expected --out with a new or an empty folder. "
                "Pass for example --out some/folder."
            )
        dataset.refuse_used_folder(options.out)
    options.domain = options.domain or "field"
    options.seed = options.seed or 0
    return options


def report(done: int, total: int) -> None:
    """Print progress now and then on the error stream."""
    if done % 20 == 0 or done == total:
        print(f"{done} of {total} scenes", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    try:
        options = parse(arguments)
        if options.contact_sheet is not None:
            sheet = dataset.contact_sheet(options.out or HERE)
            sheet.save(options.contact_sheet, quality=80, optimize=True)
        elif options.masks is not None:
            dataset.write_masks(options.masks, report)
        elif options.all:
            dataset.make_committed_set(options.out, options.processes, report)
        elif options.count is not None:
            dataset.make_extra(
                options.domain,
                options.seed,
                options.count,
                options.out,
                options.processes,
                report,
            )
        else:
            dataset.make_domain(
                options.domain, options.seed, options.out, options.processes, report
            )
    except (UsageError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
