"""Compare strategies head to head: run every cell of strategies x tasks x models x seeds, and test differences.

`compare` runs the missing cells of a comparison in its directory; `analyse` makes tables, tests and figures of the
finished ones. The public name is `automl_loss.compare`.
"""

from __future__ import annotations
