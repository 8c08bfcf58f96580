// Durations as people write them in a variable or an option: 30s, 15m, 1h, 7d, 2w.

/** Days and weeks are of 24 hours and 7 days: UTC has no others. */
export const MS_BY_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Reads a duration into ms; undefined for anything that is none. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,9})(ms|[smhdw])$/.exec(text) ?? [];
  const ms = Number(amount) * (MS_BY_UNIT[unit] ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}
