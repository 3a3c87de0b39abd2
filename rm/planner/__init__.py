"""Where training goes, with which settings, beside the applications of the foreground."""
