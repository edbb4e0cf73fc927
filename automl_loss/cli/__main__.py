"""`python -m automl_loss.cli` is `autoloss`."""

from __future__ import annotations

import sys

from automl_loss.cli.app import main

sys.exit(main())
