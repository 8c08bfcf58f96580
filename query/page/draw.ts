// Drawing lines, bands and lanes on a pane's canvas. Everything here is in canvas pixels; a column is one of them.
import { formatState } from './format.ts';
import type { Run } from './states.ts';
import { indexAtOrBefore, type Trace } from './trace.ts';

/** A pane's plot: where it is on the canvas, and what it shows. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly low: number;
  readonly high: number;
}

/** The band between a bucket's least and greatest value, which shows how wide the line swings within a bucket. */
export function drawBand(
  ctx: CanvasRenderingContext2D,
  plot: Plot,
  trace: Trace,
  color: string,
): void {
  const { band } = trace;
  if (band === undefined) return;
  const [x, y] = scalesOf(plot);
  ctx.save();
  ctx.globalAlpha = 0.22;
  ctx.fillStyle = color;
  ctx.beginPath();
  for (let i = Math.max(0, indexAtOrBefore(band.t, plot.startMs)); i < band.t.length; i++) {
    const time = band.t[i] ?? 0;
    if (time > plot.endMs) break;
    const [left, right] = [x(time), x(time + band.stepMs)];
    const [top, bottom] = [y(band.max[i] ?? 0), y(band.min[i] ?? 0)];
    ctx.rect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
  }
  ctx.fill();
  ctx.restore();
}

/**
 * The line through a trace's points. Of the points in one column only the first, lowest, highest and last are drawn,
 * which draws the same line.
 */
export function drawLine(
  ctx: CanvasRenderingContext2D,
  plot: Plot,
  trace: Trace,
  style: { color: string; width: number },
): void {
  const { t, v } = trace;
  const [x, y] = scalesOf(plot);
  const path = new Path2D();
  let column = Number.NaN;
  let [low, high, last] = [0, 0, 0];
  const finish = (): void => {
    if (low < high) {
      path.lineTo(column, high);
      path.lineTo(column, low);
    }
    path.lineTo(column, last);
  };
  for (let i = Math.max(0, indexAtOrBefore(t, plot.startMs)); i < t.length; i++) {
    const time = t[i] ?? 0;
    const [px, py] = [Math.round(x(time)), y(v[i] ?? 0)];
    if (px === column) {
      low = Math.min(low, py);
      high = Math.max(high, py);
      last = py;
      continue;
    }
    if (Number.isNaN(column)) path.moveTo(px, py);
    else finish();
    path.lineTo(px, py);
    column = px;
    low = py;
    high = py;
    last = py;
    if (time > plot.endMs) break;
  }
  if (!Number.isNaN(column)) finish();
  ctx.strokeStyle = style.color;
  ctx.lineWidth = style.width;
  ctx.lineJoin = 'round';
  ctx.stroke(path);
}

/** What came since is not known here yet: neither that there is nothing, nor that what held still does. */
export function drawUnknown(
  ctx: CanvasRenderingContext2D,
  plot: Plot,
  fromMs: number,
  style: { color: string; ratio: number },
): void {
  const [x] = scalesOf(plot);
  const left = Math.max(plot.left, Math.round(x(fromMs)));
  const right = plot.left + plot.width;
  if (left >= right) return;
  const { color, ratio } = style;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, plot.top, right - left, plot.height);
  ctx.clip();
  ctx.strokeStyle = color;
  ctx.lineWidth = ratio;
  ctx.beginPath();
  // Anchored to the canvas, so that the hatching stands still while the stretch grows.
  const rise = plot.height;
  for (let foot = left - rise - (left % (8 * ratio)); foot < right; foot += 8 * ratio) {
    ctx.moveTo(foot, plot.top + rise);
    ctx.lineTo(foot + rise, plot.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** A dot at the newest point, where the tail writes on. */
export function drawHead(
  ctx: CanvasRenderingContext2D,
  plot: Plot,
  trace: Trace,
  style: { color: string; radius: number },
): void {
  const [time, value] = [trace.t.at(-1), trace.v.at(-1)];
  if (time === undefined || value === undefined || time < plot.startMs) return;
  const [x, y] = scalesOf(plot);
  ctx.fillStyle = style.color;
  ctx.beginPath();
  ctx.arc(x(time), y(value), style.radius, 0, 2 * Math.PI);
  ctx.fill();
}

/** Runs of states as blocks with their text where it has room. */
export function drawRuns(
  ctx: CanvasRenderingContext2D,
  plot: Plot,
  runs: readonly Run[],
  style: { colorOf: (text: string) => string; ink: string; font: string; gap: number },
): void {
  const [x] = scalesOf(plot);
  ctx.font = style.font;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  for (const { text, startMs, endMs } of runs) {
    const left = Math.max(plot.left, x(startMs));
    const right = Math.min(plot.left + plot.width, x(endMs));
    // Of a narrow band a gap would leave nothing to see.
    const gap = right - left > 4 * style.gap ? style.gap : 0;
    const width = Math.max(1, right - left - gap);
    ctx.fillStyle = style.colorOf(text);
    ctx.fillRect(left, plot.top, width, plot.height);
    const label = formatState(text);
    if (ctx.measureText(label).width + 6 * style.gap > width) continue;
    ctx.fillStyle = style.ink;
    ctx.fillText(label, left + 4 * style.gap, plot.top + plot.height / 2);
  }
}

function scalesOf(plot: Plot): [x: (time: number) => number, y: (value: number) => number] {
  const perMs = plot.width / (plot.endMs - plot.startMs);
  const perValue = plot.height / (plot.high - plot.low);
  return [
    (time) => plot.left + (time - plot.startMs) * perMs,
    (value) => plot.top + (plot.high - value) * perValue,
  ];
}
