import matplotlib
import pytest

from marco_dag.report import inline_svg, pictures, png
from marco_dag.report.svg import COLOURS


@pytest.fixture
def bars(run):
    return lambda: pictures.rates(run.summary, run.profile.checkpoints)


def test_a_picture_follows_the_theme_and_points_nowhere(bars):
    svg = inline_svg(bars(), 'rates of "all"')
    assert svg.startswith('<svg viewBox="')
    assert 'aria-label="rates of &quot;all&quot;"' in svg
    assert "var(--blue)" in svg
    assert not any(colour in svg for colour in COLOURS.values())
    assert "http" not in svg


def test_the_same_tables_give_the_same_bytes(bars):
    assert inline_svg(bars(), "rates") == inline_svg(bars(), "rates")
    assert png(bars()) == png(bars())


def test_a_png_is_a_png(bars):
    assert png(bars()).startswith(b"\x89PNG")


def test_drawing_leaves_the_settings_of_matplotlib_alone(bars):
    before = dict(matplotlib.rcParams)
    inline_svg(bars(), "rates")
    assert dict(matplotlib.rcParams) == before


def test_a_name_is_text_to_the_picture(run):
    svg = inline_svg(pictures.losses({"<b>$5 or $6": run.curves["sft"]}), "losses")
    assert "&lt;b&gt;$5 or $6" in svg
    assert "<b>" not in svg


def test_no_two_pictures_share_an_id_of_a_group(run, bars):
    assert '<g id="' not in inline_svg(bars(), "rates") + inline_svg(pictures.losses(run.curves), "losses")
