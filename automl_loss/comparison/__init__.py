"""Head-to-head comparison: strategies x tasks x models x seeds, each cell a run, and what their results support.

`compare` runs what is missing of a comparison in its directory; `analyse` makes tables, tests and figures of what is
there. The public name is `automl_loss.compare`.
"""

from __future__ import annotations
