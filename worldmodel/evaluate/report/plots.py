"""Curves and pictures as text that stands in an HTML page: SVG, and WebP in data URIs."""

import base64
import io

import numpy as np
from matplotlib.figure import Figure as Canvas
from PIL import Image

from worldmodel.evaluate.figures import Curve, Picture

SIZE = (7.0, 3.6)  # inches of a plot
QUALITY = 90
SHADE = 0.15  # opacity of an interval
COLOURS = ("#2f6fb3", "#d1603d", "#3f8f5b", "#8a5fb0", "#888888", "#b8962e", "#c2568f", "#4aa3a3")
STYLE = {
    "svg.fonttype": "path", "svg.hashsalt": "worldmodel", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def svg(curve: Curve) -> str:
    """A plot of `curve` as an SVG element; the same curve gives the same text."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=SIZE, layout="constrained")
        axes = canvas.subplots()
        for line, colour in zip(curve.lines, _colours(len(curve.lines)), strict=True):
            axes.plot(line.x, line.y, label=line.name, color=colour, marker="." * (len(line.x) < 9))
            if line.low and len(line.x) > 1:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=SHADE, lw=0)
            elif line.low:
                bars = np.array([[line.y[0] - line.low[0]], [line.high[0] - line.y[0]]])
                axes.errorbar(line.x, line.y, yerr=bars.clip(min=0), color=colour)
        axes.set_xscale(curve.scale)
        if curve.scale == "log":  # plain numbers, where there is something to see
            at = sorted({x for line in curve.lines for x in line.x})
            axes.set_xticks(at, [f"{x:.2g}" for x in at])
            axes.set_xticks([], minor=True)
        axes.set(xlabel=curve.x_label, ylabel=curve.y_label, title=curve.title)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _colours(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def data_uri(picture: Picture) -> str:
    """A picture, or one that moves, as a data URI."""
    frames = picture.pixels if picture.pixels.ndim == 4 else picture.pixels[None]
    first, *rest = [Image.fromarray(frame) for frame in frames]
    out = io.BytesIO()
    moving = {"save_all": True, "append_images": rest, "loop": 0} if rest else {}
    if picture.fps:
        moving["duration"] = round(1000 / picture.fps)
    first.save(out, format="WEBP", quality=QUALITY, **moving)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()
