"""The course from the command line: ``python -m course_lib --help``."""

from __future__ import annotations

import sys

from course_lib.tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
