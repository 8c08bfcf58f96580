// Numbers, times and sentences as the page shows them.
import type { Me, Obligations } from './wire.ts';

/** Decimals that show a three hundredth of `span`: as many as a reader can use, at most 6. */
export function decimalsFor(span: number): number {
  if (!(span > 0) || !Number.isFinite(span)) return 2;
  return Math.min(6, Math.max(0, Math.floor(-Math.log10(span / 300))));
}

/** Decimals that the multiples of `step` have, at most 6: 1 for 2.5. */
export function decimalsOfStep(step: number): number {
  let decimals = 0;
  for (let whole = step; decimals < 6 && Math.abs(whole - Math.round(whole)) > 1e-9 * whole; ) {
    decimals += 1;
    whole = step * 10 ** decimals;
  }
  return decimals;
}

/** A value with a fixed count of decimals and a thin space between thousands; very large and small ones in powers. */
export function formatValue(value: number, decimals: number): string {
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 1e-6)) return value.toExponential(3);
  const [whole = '', fraction] = value.toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f').replace('-', '\u2212');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** A state is any text, also one of pages. */
const STATE_SHOWN_MAX = 40;

/** A state as it stands among other words: one short line that leaves the direction of the others alone. */
export function formatState(text: string): string {
  const line = text
    .slice(0, 2 * STATE_SHOWN_MAX)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/[\p{Bidi_C}]/gu, '')
    .trim();
  if (line === '') return '(blank)';
  const signs = Array.from(line);
  if (signs.length <= STATE_SHOWN_MAX && text.length <= 2 * STATE_SHOWN_MAX) return line;
  return `${signs.slice(0, STATE_SHOWN_MAX - 1).join('')}…`;
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** Local time to the millisecond: `22 Nov 2026 07:31:04.200`. */
export function formatInstant(ms: number): string {
  const at = new Date(ms);
  return `${formatDay(ms)} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** Local time to the minute: `07:31`. */
export function formatClock(ms: number): string {
  const at = new Date(ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/** Local time to the second: `07:31:04`. */
export function formatTimeOfDay(ms: number): string {
  return `${formatClock(ms)}:${pad(new Date(ms).getSeconds())}`;
}

/** Local date: `22 Nov 2026`. */
export function formatDay(ms: number): string {
  const at = new Date(ms);
  return `${at.getDate()} ${MONTHS[at.getMonth()]} ${at.getFullYear()}`;
}

/** A tick of the time axis, as fine as the distance between ticks wants it. */
export function formatTick(ms: number, stepMs: number): string {
  const at = new Date(ms);
  const clock = formatClock(ms);
  if (stepMs >= 86_400_000) return `${at.getDate()} ${MONTHS[at.getMonth()]}`;
  if (at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0 && stepMs >= 60_000) {
    return `${at.getDate()} ${MONTHS[at.getMonth()]}`;
  }
  if (stepMs >= 60_000) return clock;
  const seconds = `${clock}:${pad(at.getSeconds())}`;
  return stepMs >= 1_000 ? seconds : `${seconds}.${pad(at.getMilliseconds(), 3)}`;
}

/** A length of time in its largest whole unit and the next: `2 m 13 s`. */
export function formatLength(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ];
  const at = units.findIndex(([, unitMs]) => ms >= unitMs);
  const [name, unitMs] = units[at] ?? ['s', 1_000];
  const next = units[at + 1];
  const whole = Math.floor(ms / unitMs);
  const rest = next === undefined ? 0 : Math.floor((ms - whole * unitMs) / next[1]);
  return rest === 0 || next === undefined
    ? `${whole} ${name}`
    : `${whole} ${name} ${rest} ${next[0]}`;
}

/** A length of time in words: `1 minute`, `7 days`. */
export function lengthInWords(ms: number): string {
  const units: [string, number][] = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1_000],
  ];
  const whole = units.find(([, unitMs]) => ms >= unitMs && ms % unitMs === 0);
  if (whole === undefined) return formatLength(ms);
  const count = ms / whole[1];
  return `${count} ${whole[0]}${count === 1 ? '' : 's'}`;
}

/** Who the server takes somebody for: `ada of acme, viewer`. */
export function describeBearer({ subject, tenant, roles }: Me): string {
  return `${subject} of ${tenant}, ${roles.length === 0 ? 'no role' : roles.join(' and ')}`;
}

/** What a policy's obligations mean to the person in front of the page; empty where there are none. */
export function describeObligations(obligations: Obligations | undefined): string[] {
  if (obligations === undefined) return [];
  const { finest_step_ms, lookback_ms, delay_ms, max_points, max_series, max_rate_hz, redact } =
    obligations;
  const sentences: string[] = [];
  if (finest_step_ms !== undefined) {
    sentences.push(`nothing finer than ${lengthInWords(finest_step_ms)}`);
  }
  if (lookback_ms !== undefined) sentences.push(`only the last ${lengthInWords(lookback_ms)}`);
  if (delay_ms !== undefined && delay_ms > 0) sentences.push(`${lengthInWords(delay_ms)} late`);
  if (max_rate_hz !== undefined) sentences.push(`at most ${max_rate_hz} updates a second`);
  if (max_points !== undefined) sentences.push(`at most ${max_points} points`);
  if (max_series !== undefined) sentences.push(`at most ${max_series} series`);
  if (redact !== undefined && redact.length > 0) sentences.push(`without ${redact.join(', ')}`);
  return sentences;
}
