"""The report of a run: figures, and one HTML file that needs neither network nor server.

`write_report` is the entry point. `RunView` reads a run directory, `figures` draws it, `page` renders the HTML.
Importing this imports neither matplotlib nor torch.
"""

from automl_loss.report.report import write_report

__all__ = ["write_report"]
