import { expect, it } from 'vitest';
import { inspectMessage } from './inspect.ts';
import { parseRules } from './topics/read-rules.ts';

const RECEIVED_US = Date.UTC(2026, 0, 2) * 1_000;
const { rules } = parseRules(
  `
rules:
  - { topic: plants/heartbeat, drop: true }
  - topic: plants/{asset}/{channel...}
    tenant: acme
    labels: { source: opc }
    time_zone: Europe/Oslo
    unit: bar
    units: { flow: m3/h }
  - { topic: 'lines/{asset}', tenant: acme, channel: "", format: line }
`,
  'rules.yaml',
);

function inspect(topic: string, payload?: string, contentType?: string) {
  return inspectMessage(rules, {
    topic,
    receivedUs: RECEIVED_US,
    ...(payload === undefined ? {} : { payload: Buffer.from(payload) }),
    ...(contentType === undefined ? {} : { contentType }),
  });
}

const labels = { source: 'opc' };
const inlet = { labels, quality: 0, timeUs: RECEIVED_US };

it.each([
  ['plants/pump/inlet', undefined, undefined, []],
  [
    'plants/pump/inlet',
    '{"flow":1,"on":true}',
    undefined,
    [
      { ...inlet, key: 'flow', channel: 'inlet/flow', unit: 'm3/h', kind: 'number', value: 1 },
      { ...inlet, key: 'on', channel: 'inlet/on', unit: 'bar', kind: 'state', value: 'true' },
    ],
  ],
  [
    'plants/pump/inlet',
    '{"ts":"2026-01-01T12:00:00","v":2,"q":3}',
    undefined,
    [
      {
        ...{ key: '', channel: 'inlet', labels, unit: 'bar', kind: 'number', value: 2 },
        ...{ timeUs: Date.UTC(2026, 0, 1, 11) * 1_000, quality: 3 },
      },
    ],
  ],
  [
    'lines/g1',
    'm,site=oslo f=1',
    undefined,
    [
      {
        ...{ key: 'm/f', channel: 'm/f', labels: { site: 'oslo' }, unit: null, kind: 'number' },
        ...{ value: 1, timeUs: RECEIVED_US, quality: 0 },
      },
    ],
  ],
])('%s with %j gives readings', (topic, payload, contentType, readings) => {
  const inspection = inspect(topic, payload, contentType);
  expect(inspection).toMatchObject({ ignored: 0, faults: [] });
  expect(inspection.readings).toEqual(readings);
});

it.each([
  ['elsewhere', '1', undefined, ['no_rule']],
  ['plants//inlet', '1', undefined, ['topic_invalid']],
  ['plants/pump/inlet', '{"a+b":1}', undefined, ['topic_invalid']],
  ['plants/pump/inlet', '{"a"', undefined, ['payload_not_json']],
  ['plants/pump/inlet', '[{"v":1},{"v":"on"}]', undefined, ['kind_changed']],
  ['plants/pump/inlet', '7', 'application/cbor', []],
  ['t/acme/rig/_', '1', undefined, ['channel_missing']],
])('%s with %j as %s has the faults %j', (topic, payload, contentType, codes) => {
  expect(inspect(topic, payload, contentType).faults.map(({ code }) => code)).toEqual(codes);
});

it('says that a message is dropped, whatever it holds', () => {
  expect(inspect('plants/heartbeat', '{')).toEqual({
    match: { kind: 'drop', rule: 'rules.yaml:3' },
    ...{ readings: [], ignored: 1, faults: [] },
  });
});
