"""HTML that is safe by default: a plain string is text and is escaped; only what is built here is markup."""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """A string that is markup already."""

    __slots__ = ()


def html(value: str) -> Html:
    """`value` as markup: as it is where it is Html, else escaped, quotes too."""
    return value if isinstance(value, Html) else Html(escape(value, quote=True))


def join(parts: Iterable[str], between: str = "") -> Html:
    """The parts one after the other, `between` (markup) between them."""
    return Html(between.join(html(part) for part in parts))


def element(name: str, *children: str, **attributes: str) -> Html:
    """`<name …>children</name>`; attribute names end in "_" where Python keeps the word, as in class_."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def section(title: str, *children: str) -> Html:
    """A section of the page under its heading."""
    return element("section", element("h2", title), *children)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> Html:
    """A table whose first column names the rows and whose other columns are numbers; wide ones scroll."""
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    titles = [element("caption", caption)] if caption else []
    whole = element("table", *titles, element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll")


def picture(svg: Html, caption: str) -> Html:
    """A picture and what it shows."""
    return element("figure", element("div", svg, class_="scroll"), element("figcaption", caption))


def gap(text: str) -> Html:
    """Says what is not there yet."""
    return element("p", text, class_="gap")
