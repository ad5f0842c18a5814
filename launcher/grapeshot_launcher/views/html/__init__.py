"""A run as a page for the browser: one file that needs no network (pure).

Leaves to others: the numbers (results, breakdown), writing the page to its file, serving a live one.
"""

from grapeshot_launcher.views.html.page import compare_page, html_page, live_script

__all__ = ["compare_page", "html_page", "live_script"]
