"""A run as a page of GitHub: the summary of a job, the comment of a pull request (pure).

Leaves to others: writing the page to its file or sending it, and the numbers (figures).
"""

from grapeshot_launcher.views.summary.document import (
    COMMENT_BUDGET,
    LEAST,
    SUMMARY_BUDGET,
    job_summary,
    sticky_comment,
)
from grapeshot_launcher.views.summary.failure import failure_summary

__all__ = [
    "COMMENT_BUDGET",
    "LEAST",
    "SUMMARY_BUDGET",
    "failure_summary",
    "job_summary",
    "sticky_comment",
]
