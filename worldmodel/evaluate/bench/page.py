"""The figures of `worldmodel bench all` as tables of a page in Markdown."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.evaluate.bench.report import lines, text

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
UNSHOWN = {"bench", "checkpoint", "machine", "settings", "candidates_ms", "preset", "stage", "stub"}


def write_page(figures: Path, page: Path) -> None:
    """Put tables of the reports in `figures` between the markers of `page`.

    Raises UserError when `figures` are not what `bench all` writes or the page has no markers.
    """
    tables, old = "\n".join(render(read(figures))), page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{page} should have the lines {BEGIN} and {END}, with the tables between")
    page.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", encoding="utf-8")
    print(f"tables written into {page}")


def read(figures: Path) -> list[dict[str, object]]:
    """The reports, one a line."""
    reports = []
    for number, line in enumerate(figures.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            reports.append(json.loads(line))
            reports[-1]["bench"], reports[-1]["machine"]["processor"]
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"line {number} of {figures} is no report of a bench; write the file with "
                "`worldmodel bench all`"
            ) from None
    return reports


def render(reports: list[dict[str, object]]) -> Iterator[str]:
    """Lines of Markdown."""
    for at in reports[:1]:
        on = at["machine"]
        yield f"{on['processor']}, {on['cores']} cores, PyTorch {on['torch']}, {on['system']}."
        yield "Medians, with the 5th and 95th percentile in brackets."
    for report in reports:
        yield from ("", f"### {title(report)}", "")
        single = {k: v for k, v in report.items() if k not in UNSHOWN and not isinstance(v, list)}
        yield from table(["figure", "value"], [list(pair) for pair in lines(single)])
        for rows in (v for v in report.values() if isinstance(v, list)):
            yield ""
            names = list(rows[0])
            cells = [[text(row[name]) for name in names] for row in rows]
            yield from table([name.replace("_", " ") for name in names], cells)


def title(report: Mapping[str, object]) -> str:
    """Which bench of what."""
    stub = " without a model" if report.get("stub") else ""
    what = f" {report['stage']} at {report['preset']}" if "stage" in report else ""
    return f"{report['bench']}{what}{stub}"


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"
