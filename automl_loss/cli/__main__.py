"""Run `autoloss` by `python -m automl_loss.cli`."""

from __future__ import annotations

import sys

from automl_loss.cli.app import main

sys.exit(main())
