// Everything that can be measured, in the order in which it runs. An area's modules are loaded when it is opened: the
// program under test is most of them, and comparing two files needs none.
import type { Area } from './case.ts';

export const AREAS: readonly Area[] = [
  {
    name: 'ingest',
    about: 'MQTT at QoS 1 to COMMIT, against a bare COPY and against a bare MQTT.js subscriber',
    open: async (context) => (await import('./cases/ingest.ts')).openIngest(context),
  },
  {
    name: 'range',
    about:
      '/v1/range over HTTP, against the same SQL through the driver alone, rows as JSON, and raw points',
    open: async (context) => (await import('./cases/range.ts')).openRange(context),
  },
  {
    name: 'latest',
    about: '/v1/latest of 1,000 of 100,000 series over HTTP, against finding them in the database',
    open: async (context) => (await import('./cases/latest.ts')).openLatestArea(context),
  },
  {
    name: 'refresh',
    about: 'what the rollup families path and sketch cost to be kept up, against m4',
    open: async (context) => (await import('./cases/refresh.ts')).openRefresh(context),
  },
  {
    name: 'policy',
    about:
      'decisions, tokens, activation of bundles, and revocation to the last frame of open tails',
    open: async (context) => (await import('./cases/policy.ts')).openPolicyArea(context),
  },
  {
    name: 'tail',
    about:
      'fan-out to live tails, against a naive one and uWebSockets.js alone; latency, memory, stalled readers',
    open: async (context) => (await import('./cases/tail.ts')).openTail(context),
  },
  {
    name: 'micro',
    about: 'single modules, against the least that their work could cost',
    open: async (context) => (await import('./micro/area.ts')).openMicro(context),
  },
];
