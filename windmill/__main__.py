"""`python -m windmill`."""

from __future__ import annotations

import sys

from windmill.cli import main

sys.exit(main())
