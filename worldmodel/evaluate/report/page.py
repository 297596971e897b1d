"""A report as one HTML file that needs nothing else, and as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from worldmodel.evaluate.figures import Figure, Picture, Section
from worldmodel.evaluate.report.plots import data_uri, svg

HTML, JSON = "report.html", "report.json"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem}h2{margin-top:3rem;border-bottom:1px solid #ccc}p{max-width:48rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:.15rem .8rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal}
tbody tr:hover{background:#f4f6f9}.warning{background:#fff3d6;padding:.5rem 1rem}
figure{margin:1.5rem 0}figcaption{color:#555;font-size:14px}
figure img{image-rendering:pixelated;max-width:100%}svg{max-width:100%;height:auto}
nav a{margin-right:1rem}details{margin:1rem 0}dl{display:grid;grid-template-columns:max-content 1fr;
gap:0 1rem}dd{margin:0}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#ddd}h2{border-color:#444}
td,th{border-color:#2a2d33}tbody tr:hover{background:#20242b}.warning{background:#4a3b12}
figcaption{color:#aaa}svg{background:#fff}a{color:#8ab4f8}}
"""


def write_report(
    out: Path, about: Mapping[str, object], sections: Sequence[Section], warnings: Sequence[str]
) -> dict[str, Any]:
    """Write report.html and report.json into the folder `out`, each whole; returns the JSON."""
    out.mkdir(parents=True, exist_ok=True)
    record = finite(
        {**about, "warnings": [*warnings], "sections": [section.as_json() for section in sections]}
    )
    _write(out / JSON, json.dumps(record, indent=2, allow_nan=False) + "\n")
    _write(out / HTML, html(about, sections, warnings))
    return record


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def finite(value: Any) -> Any:
    """JSON-ready: numbers that are none, or infinite, become null."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def html(about: Mapping[str, object], sections: Sequence[Section], warnings: Sequence[str]) -> str:
    """The page."""
    title = f"How good is {about['checkpoint']}"
    links = "".join(f'<a href="#{_anchor(s)}">{escape(s.title)}</a>' for s in sections)
    noted = "".join(f'<p class="warning">{escape(warning)}</p>' for warning in warnings)
    facts = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(_plain(value))}</dd>"
        for name, value in about.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{noted}<nav>{links}</nav>"
        "<p>Intervals are of 95 %: bootstrap over clips, or for KID halves of the clips.</p>"
        f"<details><summary>What was judged</summary><dl>{facts}</dl></details>"
        f"{''.join(map(_section, sections))}</body></html>\n"
    )


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return str(value)


def _anchor(section: Section) -> str:
    return "".join(c if c.isalnum() else "-" for c in section.title.lower())


def _section(section: Section) -> str:
    plots = "".join(f"<figure>{svg(curve)}</figure>" for curve in section.curves)
    shown = "".join(map(_picture, section.pictures))
    return (
        f'<section id="{_anchor(section)}"><h2>{escape(section.title)}</h2>'
        f"<p>{escape(section.text)}</p>{plots}{shown}{_table(section.figures)}</section>"
    )


def _picture(picture: Picture) -> str:
    caption = escape(picture.caption)
    scale = 2 if picture.pixels.shape[-2] < 500 else 1
    width = picture.pixels.shape[-2] * scale
    return (
        f'<figure><img src="{data_uri(picture)}" width="{width}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(figures: Mapping[str, Figure]) -> str:
    names = "<th>figure</th><th>value</th><th>95 % interval</th><th>clips</th><th>frames</th>"
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_number(f.value)}{f' {escape(f.unit)}' * bool(f.unit)}"
        f"</td><td>{_interval(f)}</td><td>{f.clips}</td><td>{f.frames:,}</td><td>{f.seeds}</td></tr>"
        for name, f in figures.items()
    )
    return (
        f"<table><thead><tr>{names}<th>seeds</th></tr></thead><tbody>{rows}</tbody></table>"
        if figures
        else ""
    )


def _interval(figure: Figure) -> str:
    if math.isnan(figure.low) or math.isnan(figure.high):
        return "none"
    return f"{_number(figure.low)} to {_number(figure.high)}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else "unbounded"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
