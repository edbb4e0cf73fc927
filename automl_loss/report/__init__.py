"""The report of a run: figures, and one HTML file that needs neither network nor server.

`write_report` is the entry. `RunView` is what a run directory says, `figures` draws it, `page` writes it up.
Importing this imports neither matplotlib nor torch.
"""

from automl_loss.report.report import write_report

__all__ = ["write_report"]
