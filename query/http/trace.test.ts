import { describe, expect, it } from 'vitest';
import { continueTrace } from './trace.ts';

const VALID = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('a trace', () => {
  it('goes on as a span of its own', () => {
    const ours = continueTrace(`00-${TRACE}-b7ad6b7169203331-01`);
    expect(ours).toMatch(VALID);
    expect(ours.startsWith(`00-${TRACE}-`) && ours.endsWith('-01')).toBe(true);
    expect(ours).not.toContain('b7ad6b7169203331');
  });

  it.each([
    undefined,
    '',
    'nonsense',
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `01-${TRACE}-b7ad6b7169203331-01`,
    `00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`,
  ])('begins anew after %j, each time another', (traceparent) => {
    const traces = Array.from({ length: 500 }, () => continueTrace(traceparent));
    for (const trace of traces) expect(trace).toMatch(VALID);
    expect(new Set(traces.map((trace) => trace.slice(3, 35))).size).toBe(500);
  });
});
