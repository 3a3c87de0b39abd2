"""What all HTML reports share: the page around their body, and how axes look. It loads nothing."""

from string import Template
from typing import Any

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
INK, QUIET, GRID = "#222222", "#6b6b6b", "#e7e7e7"

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>$title</title>
<style>$style</style>
<script>$plotly</script>
</head>
<body>
<main>
$body
</main>
<script>$script</script>
</body>
</html>
""")
"""Needs `title`, `style`, `plotly` (its script), `body` and `script`; the page may load nothing."""

AXIS: dict[str, Any] = {
    "showline": True,
    "linecolor": INK,
    "linewidth": 1,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": INK,
    "gridcolor": GRID,
    "zeroline": False,
    "title": {"standoff": 8, "font": {"size": 13}},
    "automargin": True,
}
"""Thin dark axes with outside ticks and a light grid, as Plotly takes them."""
