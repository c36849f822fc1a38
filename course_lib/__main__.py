"""The course from the command line: ``python -m course_lib --help``."""

from course_lib.tools.cli import main

raise SystemExit(main())
