"""Plots as SVG, readable on light and on dark. One kind is enough: a row a system, dots on a logarithmic axis."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 860, 250, 70, 92, 26, 44

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.back { fill: #ffffff; }
.title { font-size: 17px; font-weight: 600; }
.quiet { fill: #59636e; font-size: 12px; }
.ours { font-weight: 700; }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.minor { stroke: #eaeef2; stroke-width: 1; }
.span { stroke: #9aa4af; stroke-width: 2; }
.span.ours { stroke: #0969da; }
.dot { fill: #6e7781; stroke: #6e7781; stroke-width: 2; }
.dot.ours { fill: #0969da; stroke: #0969da; }
.dot.hollow { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.back { fill: #0d1117; }
.quiet { fill: #9198a1; }
.value { stroke: #0d1117; }
.grid { stroke: #3d444d; }
.minor { stroke: #1c2129; }
.span { stroke: #656c76; }
.span.ours { stroke: #58a6ff; }
.dot { fill: #9198a1; stroke: #9198a1; }
.dot.ours { fill: #58a6ff; stroke: #58a6ff; }
.dot.hollow { fill: #0d1117; }
}
"""


def axis(values):
    """A logarithmic axis around the values: a function to x, the powers of ten and what lies between them."""
    low, high = min(values) / 1.25, max(values) * 1.25
    span = math.log(high / low)

    def place(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / low) / span

    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [10.0**power * step for power in powers for step in range(1, 10)]
    return place, [tick for tick in ticks if low <= tick <= high]


def short(value):
    """A tick's label."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def dots(title, subtitle, axis_label, rows, keys):
    """`rows` are (label, ours, filled, values, text at the end); `keys` are what the values of a row are, in order:
    the later, the larger the dot."""
    place, ticks = axis([value for row in rows for value in row[3] if value])
    height = TOP + ROW * len(rows) + BOTTOM
    floor = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        f'<text class="quiet" x="16" y="48">{escape(subtitle)}</text>',
        *legend(keys),
    ]
    labeled = [tick for tick in ticks if f"{tick:e}"[0] == "1"]
    if len(labeled) < 3:
        labeled = [tick for tick in ticks if f"{tick:e}"[0] in "125"]
    for tick in ticks:
        style = "grid" if tick in labeled else "minor"
        x = place(tick)
        parts.append(f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{floor}"/>')
        if tick in labeled:
            parts.append(f'<text class="quiet" x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{short(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="quiet" x="{middle}" y="{floor + 35}" text-anchor="middle">{escape(axis_label)}</text>')
    for index, row in enumerate(rows):
        parts += line(TOP + ROW * index + ROW / 2, place, *row)
    return "\n".join([*parts, "</svg>", ""])


def legend(keys):
    parts, x = [], 16
    for index, key in enumerate(keys):
        parts.append(f'<circle class="dot" cx="{x + 6}" cy="68" r="{radius(index, len(keys))}"/>')
        parts.append(f'<text class="quiet" x="{x + 18}" y="72">{escape(key)}</text>')
        x += 34 + 7 * len(key)
    parts.append(f'<circle class="dot hollow" cx="{x + 6}" cy="68" r="5"/>')
    parts.append(f'<text class="quiet" x="{x + 18}" y="72">not on disk when answered</text>')
    return parts


def radius(index, count):
    return 6 - 1.5 * (count - 1 - index)


def line(y, place, label, ours, filled, values, text):
    mark = " ours" if ours else ""
    parts = [f'<text class="{mark.strip()}" x="{LEFT - 14}" y="{y + 4:.0f}" text-anchor="end">{escape(label)}</text>']
    places = [place(value) for value in values if value]
    if not places:
        return [*parts, f'<text class="quiet" x="{LEFT}" y="{y + 4:.0f}">{escape(text)}</text>']
    if len(places) > 1:
        span = f'x1="{min(places):.1f}" x2="{max(places):.1f}" y1="{y}" y2="{y}"'
        parts.append(f'<line class="span{mark}" {span}/>')
    hollow = "" if filled else " hollow"
    for index, value in enumerate(values):
        if value:
            size = radius(index, len(values))
            parts.append(f'<circle class="dot{mark}{hollow}" cx="{place(value):.1f}" cy="{y}" r="{size}"/>')
    parts.append(f'<text class="value{mark}" x="{max(places) + 12:.1f}" y="{y + 4:.0f}">{escape(text)}</text>')
    return parts
