"""Matplotlib figures as inline SVG that follows the page's light or dark theme, and as PNG for elsewhere.

Every colour of a figure comes from COLOURS; in the SVG each becomes the CSS variable of its name, which the page's
style sheet sets for both themes. The same figure always gives the same bytes.
"""

import functools
import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec

from marco_dag.report.markup import Html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "ink": "#1f2328",
    "muted": "#68707a",
    "line": "#d5d9de",
    "blue": "#2f6fb3",
    "orange": "#cf6a1c",
    "green": "#2f8f5b",
    "purple": "#8a54ad",
    "grey": "#8d959e",
}
"""CSS variable name → the colour of the light theme."""

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "marco-dag",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.parse_math": False,  # a "$" in a name is a dollar
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["line"],
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "legend.frameon": False,
}
_PIXELS_PER_INCH = 150


_Arguments = ParamSpec("_Arguments")


def in_report_style(draw: "Callable[_Arguments, Figure]") -> "Callable[_Arguments, Figure]":
    """A function that draws a figure, drawing in the style of the report and leaving matplotlib's settings alone."""

    @functools.wraps(draw)
    def styled(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of a size in inches; it belongs to no window and may be drawn in any thread."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def inline_svg(figure: "Figure", label: str) -> Html:
    """The figure as an `<svg>` element without any address in it; `label` is read to those who cannot see it."""
    text = _save(figure, format="svg", transparent=True, metadata={"Date": None, "Creator": None}).decode()
    view_box = re.search(r'viewBox="([^"]+)"', text)
    assert view_box is not None
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # ids of one picture would meet those of the next
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    return Html(f'<svg viewBox="{view_box.group(1)}" role="img" aria-label="{escape(label, quote=True)}">{body}')


def svg(figure: "Figure") -> bytes:
    """The figure as an SVG file on white, in the colours of the light theme."""
    return _save(figure, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


def png(figure: "Figure") -> bytes:
    """The figure as a PNG on white."""
    return _save(figure, format="png", dpi=_PIXELS_PER_INCH, facecolor="white", metadata={"Software": None})


def _save(figure: "Figure", **options: Any) -> bytes:  # noqa: ANN401
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, **options)
    return buffer.getvalue()
