"""How numbers are written for people: percentages to one decimal, differences with their sign, a dash for a gap."""

GAP = "–"
"""Stands where there is no number."""


def percent(share: float | None) -> str:
    """A share in [0, 1] as per cent: 0.442 is "44.2"."""
    return GAP if share is None else f"{100 * share:.1f}"


def percent_and_error(share: float | None, se: float | None) -> str:
    """A share and its standard error, in per cent and points: "44.2 ± 1.2"."""
    return percent(share) if share is None or se is None else f"{percent(share)} ± {100 * se:.1f}"


def percent_interval(low: float, high: float) -> str:
    """The ends of an interval of a share, in per cent: "41.8 to 46.6"."""
    return f"{percent(low)} to {percent(high)}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign: "+2.4", "−0.3", "0.0"."""
    shown = f"{100 * difference:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown.replace("-", "−")


def number(value: float | None, digits: int = 0) -> str:
    """A count or a mean, thousands apart: "1,600"."""
    return GAP if value is None else f"{value:,.{digits}f}"
