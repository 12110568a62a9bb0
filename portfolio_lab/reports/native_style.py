"""The style of the native sheet: the dashboard's colours, light and dark, and paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; --ground: #f4f6fa; --panel: #ffffff; --edge: #dfe4ec; --grid: #e8ecf2; --text: #131822;
  --muted: #586377; --accent: #2c62d6; --other: #9a6200; --third: #0b8261; --up: #0b8261; --down: #cb2f4b;
  --warn: #9a6200; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ground: #0b0f16; --panel: #121721; --edge: #1f2735; --grid: #1c2432; --text: #eef1f6;
    --muted: #9aa5b8; --accent: #5b8def; --other: #e3a63c; --third: #22b38a; --up: #22b38a; --down: #ec5a70;
  --warn: #e3a63c; }
}
* { box-sizing: border-box; }
html { background: var(--ground); -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1280px; padding: 28px 20px 40px; color: var(--text);
  font: 14px/1.45 Inter, "Segoe UI",
  system-ui, -apple-system, "Helvetica Neue", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
h1, h2, p, dl, dd, figure { margin: 0; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 16px; margin: 0 2px 16px; }
h1 { font-size: 24px; font-weight: 650; letter-spacing: -.02em; overflow-wrap: anywhere; }
header p { color: var(--muted); }
header .notes { flex: 1 1 100%; font-size: 12.5px; }
h2, figcaption b { font-size: 14px; font-weight: 600; letter-spacing: -.005em; }
.panel { background: var(--panel); border: 1px solid var(--edge); border-radius: 12px; padding: 14px 16px;
  min-width: 0; }
.tiles { display: grid; grid-template-columns: repeat(5, 1fr); background: var(--edge); gap: 1px;
  border: 1px solid var(--edge);
  border-radius: 12px; overflow: hidden; margin-bottom: 14px; }
.tiles > div { background: var(--panel); padding: 12px 16px 11px; min-width: 0; }
.tiles dt { color: var(--muted); font-size: 12px; }
.tiles dd { font-size: 21px; font-weight: 650; letter-spacing: -.015em; line-height: 1.4; }
.tiles small { display: block; font-size: 11.5px; font-weight: 400; letter-spacing: 0; color: var(--muted); }
main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 404px); gap: 14px; align-items: start; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
.tables { display: grid; gap: 14px; }
.wide { grid-column: 1 / -1; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 10px; margin-bottom: 6px;
  min-height: 21px; }
figcaption small { flex: 1 0 100%; order: 1; color: var(--muted); font-size: 12px; }
.key { font-size: 12px; color: var(--muted); }
.key::before { content: ""; display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 5px;
  background: var(--accent); }
.key.b::before { background: var(--other); }
.none p { color: var(--muted); padding: 34px 8px; text-align: center; }
.none { display: flex; flex-direction: column; }
figure > svg { display: block; overflow: visible; width: calc(100% - 44px); margin-left: 44px; }
.ends > svg { width: calc(100% - 44px - 66px); }
.spread > svg { width: calc(100% - 8px); margin-left: 4px; }
.plot { overflow: visible; }
.plot path, .plot rect { vector-effect: non-scaling-stroke; }
.plot path { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
path.a { stroke: var(--accent); } path.b { stroke: var(--other); stroke-width: 1.3; } path.c { stroke: var(--third); }
path.d { stroke: var(--down); stroke-width: 1.2; }
.plot path.depth { fill: var(--down); fill-opacity: .16; stroke: none; }
.plot path.mean { stroke: var(--text); stroke-opacity: .6; stroke-width: 1; stroke-dasharray: 4 4; }
.plot path.curve { stroke: var(--text); stroke-width: 1.3; }
.plot path.up, .plot path.down { stroke-width: 1; stroke-linecap: butt; }
path.up { stroke: var(--up); } path.down { stroke: var(--down); }
.plot path.guess { stroke: var(--warn); stroke-width: 2; }
.plot path.origin { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 2 3; }
.plot path.whisker { stroke: var(--muted); stroke-width: 1.2; }
.plot path.median { stroke: var(--accent); stroke-width: 2.4; stroke-linecap: butt; }
.plot path.dot { stroke-width: 4.5; } .plot path.dot.out { stroke: var(--muted); stroke-width: 3.6;
  stroke-opacity: .7; }
.plot path.dot.a { stroke-width: 8; }
rect.bar.a { fill: var(--accent); } rect.bar.b { fill: var(--other); }
rect.fall { fill: var(--down); fill-opacity: .13; }
rect.box { fill: var(--accent); fill-opacity: .22; stroke: var(--accent); stroke-width: 1; }
g line { stroke: var(--grid); stroke-width: 1; } g line.zero { stroke: var(--muted); stroke-opacity: .55; }
svg text { fill: var(--muted); font-size: 11px; }
.tick { text-anchor: end; } .mid { text-anchor: middle; } .date { text-anchor: middle; }
figure:not(.wide) text.long.odd { display: none; }
text.over { fill: var(--text); font-size: 10.5px; }
text.number { fill: var(--down); font-weight: 650; text-anchor: middle; }
text.end.a { fill: var(--accent); } text.end.b { fill: var(--other); } text.end.c { fill: var(--third); }
  text.end.d { fill: var(--down); }
text.value { font-weight: 650; font-size: 11.5px; }
text.row { fill: var(--text); font-weight: 500; } text.span { text-anchor: end; }
table { width: 100%; border-collapse: collapse; font-size: 12.5px; }
th, td { text-align: right; padding: 3px 0 3px 12px; border-bottom: 1px solid var(--grid); font-weight: 400;
  white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; white-space: normal; }
thead th { color: var(--muted); font-size: 12px; border-bottom-color: var(--edge); }
tbody th { color: var(--text); }
.figures td { font-weight: 550; }
.figures td + td { font-weight: 400; color: var(--muted); }
.section th { padding-top: 13px; font-weight: 600; color: var(--accent); font-size: 11.5px;
  border-bottom-color: var(--edge); }
tbody:first-of-type .section th { padding-top: 8px; }
tr:last-child > * { border-bottom: 0; }
.section:last-child th { border-bottom: 1px solid; }
th a { color: var(--muted); text-decoration: none; margin-left: 2px; padding: 0 3px; }
#table-falls th, #table-falls td { font-size: 12px; padding-left: 6px; }
.tables h2, .words h2 { margin-bottom: 6px; }
.heat { table-layout: fixed; border-collapse: separate; border-spacing: 2px; }
.heat th, .heat td { border: 0; padding: 5px 0; text-align: center; font-size: 12px; }
.heat thead th { color: var(--muted); font-size: 11.5px; padding: 2px 0; }
.heat th:first-child { text-align: left; }
.heat td { border-radius: 4px; background: color-mix(in srgb, var(--grid) 45%, var(--panel)); }
.heat td.up { background: color-mix(in srgb, var(--up) var(--s), var(--panel)); }
.heat td.down { background: color-mix(in srgb, var(--down) var(--s), var(--panel)); }
.heat td.blank { color: var(--muted); background: none; }
.heat td.total { font-weight: 650; background: none; }
.words { margin-top: 14px; }
.words dl { columns: 3; column-gap: 28px; font-size: 12px; }
.words dl > div { break-inside: avoid; padding: 3px 0; }
.words dt { font-weight: 600; } .words dd { color: var(--muted); overflow-wrap: anywhere; }
.words :target { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
footer { color: var(--muted); font-size: 12px; margin: 16px 2px 0; }
@media (max-width: 1060px) {
  main { grid-template-columns: minmax(0, 1fr); }
  .words dl { columns: 2; }
}
@media (max-width: 640px) {
  body { padding: 18px 10px 28px; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .tiles dd { font-size: 18px; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .panel { padding: 12px; }
  .words dl { columns: 1; }
  text.odd { display: none; }
  #table-falls th, #table-falls td { font-size: 11px; padding-left: 4px; }
  .heat thead { display: none; }
  .heat, .heat tbody { display: block; }
  .heat tr { display: grid; grid-template-columns: repeat(6, 1fr); gap: 2px; padding-bottom: 10px; }
  .heat th { grid-column: span 3; font-weight: 650; padding: 2px 0; }
  .heat td.total { grid-column: 4 / -1; grid-row: 1; text-align: right; padding: 2px 0; }
  .heat td::before { content: attr(data-month); display: block; font-size: 10px; color: var(--muted);
  line-height: 1.2; }
  .heat td.total::before { display: inline; margin-right: 6px; font-weight: 400; }
}
@page { size: A4; margin: 12mm; }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html, body { background: #fff; }
  body { padding: 0; font-size: 11px; max-width: none; }
  .panel, .tiles { border-radius: 6px; }
  .panel { padding: 8px 10px; break-inside: avoid; }
  main { display: block; }
  .charts { zoom: .84; }
  .charts { gap: 8px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tables { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 8px; margin-top: 8px; }
  #table-years { width: 39%; } #table-falls { flex: 1; }
  #table-figures { order: 3; flex: 0 0 100%; break-before: page; break-inside: auto; columns: 2; column-gap: 20px; }
  .figures tr { break-inside: avoid; } .figures .section { break-after: avoid; }
  .tiles dd { font-size: 15px; } .tiles > div { padding: 7px 10px; }
  .words { break-inside: auto; } .words h2 { break-after: avoid; }
  .words dl { columns: 4; column-gap: 16px; font-size: 8px; line-height: 1.25; } .words dl > div { padding: 1.5px 0; }
  footer { font-size: 9px; }
  #table-falls th, #table-falls td { font-size: 8.5px; padding-left: 4px; }
  table { font-size: 9.5px; line-height: 1.35; } th, td { padding-top: 1.6px; padding-bottom: 1.6px; }
  .section th { padding-top: 7px; font-size: 9.5px; } .heat th, .heat td { font-size: 10.5px; }
}
"""
"""CSS; the colours are those of the dashboard's page."""
