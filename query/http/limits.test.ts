// Limits as callers meet them: over HTTP, by their tokens and addresses.
import { afterEach, describe, expect, it } from 'vitest';
import {
  type HttpService,
  type HttpServiceOptions,
  openRawClient,
  startHttpService,
} from '../../test/http-service.ts';
import { eventually } from '../../test/program.ts';
import type { Amounts } from '../limits/amounts.ts';
import { type AnyReply, reply } from './reply.ts';
import type { Route } from './routes.ts';

const common = { summary: '', parameters: [], types: ['application/json'] } as const;
/** Answers that are held back, by what the caller calls them. */
const held: (() => void)[] = [];
const routes: Route[] = [
  { ...common, method: 'GET', path: '/public', grant: 'public', handle: () => reply('{}') },
  {
    ...{ ...common, method: 'GET', path: '/probe', grant: 'public', isProbe: true },
    handle: () => reply('{}'),
  },
  {
    ...{ ...common, method: 'GET', path: '/own', grant: 'subject' },
    handle: (_request, { sub }) => reply(JSON.stringify({ sub, text: 'x'.repeat(1_000) })),
  },
  {
    ...{ ...common, method: 'GET', path: '/held', grant: 'subject' },
    handle: () => new Promise<AnyReply>((resolve) => held.push(() => resolve(reply('{}')))),
  },
  {
    ...{ ...common, method: 'POST', path: '/take', grant: 'subject' },
    handle: () => reply('{}'),
  },
];

const UPGRADE = [
  'GET /socket HTTP/1.1',
  'Host: test',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

let service: HttpService;
/** Of the limits: it stands still unless a test moves it. */
let nowMs = 0;

afterEach(() => service.stop());

async function start(
  amounts: { [K in keyof Amounts]?: Partial<Amounts[K]> },
  options: Partial<HttpServiceOptions> = {},
): Promise<void> {
  nowMs = 0;
  service = await startHttpService({
    routes,
    clock: () => nowMs,
    amounts: ({ subject, tenant, address }) => ({
      subject: { ...subject, ...amounts.subject },
      tenant: { ...tenant, ...amounts.tenant },
      address: { ...address, ...amounts.address },
    }),
    ...options,
  });
}

function ask(path: string, token?: string, init: RequestInit = {}): Promise<Response> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return fetch(`${service.url}${path}`, { ...init, headers });
}

/** What the handshake of a WebSocket that is refused is answered. */
async function upgradeStatus(handshake: string): Promise<string | undefined> {
  const client = openRawClient(service.port);
  client.send(handshake);
  await eventually(
    async () => client.received(),
    (text) => text.includes('}'),
  );
  client.socket.destroy();
  return client.received().split(' ')[1];
}

/** Status, Retry-After, and what the problem says is the limit. */
async function told(response: Response): Promise<unknown[]> {
  const problem = response.status === 200 ? {} : ((await response.json()) as { limit?: string });
  return [response.status, response.headers.get('retry-after'), problem.limit];
}

describe('a caller at its limit', () => {
  it('of requests is told 429, which limit it is and when to come again; others are answered as ever', async () => {
    await start({ subject: { requestsPerS: 2 } });
    const ann = await service.token('acme', 'ann');
    const bob = await service.token('acme', 'bob');
    const before = await (await ask('/own', bob)).text();
    const answers = [];
    for (let n = 0; n < 5; n++) answers.push(await told(await ask('/own', ann)));
    expect(answers.map(([status]) => status)).toEqual([200, 200, 429, 429, 429]);
    expect(answers[4]).toEqual([429, '1', 'subject requests']);
    expect(await (await ask('/own', bob)).text()).toBe(before);
    nowMs = 500;
    expect((await ask('/own', ann)).status).toBe(200);
    const metrics = await service.metrics.exposition();
    expect(metrics).toContain('tailrace_query_limited_total{limit="subject requests"} 3');
  });

  it('of one token is at its limit with every other of its subject', async () => {
    await start({ subject: { requestsPerS: 1 } });
    const [one, another] = [await service.token('acme', 'ann'), await service.token('acme', 'ann')];
    expect((await ask('/own', one)).status).toBe(200);
    expect((await ask('/own', another)).status).toBe(429);
  });

  it('of bytes comes again when its answers are paid for', async () => {
    await start({ tenant: { bytesPerS: 100 } });
    const [ann, bob] = [await service.token('acme', 'ann'), await service.token('acme', 'bob')];
    const { length } = await (await ask('/own', ann)).text();
    const wait = String(Math.ceil((length - 100) / 100));
    await eventually(
      async () => told(await ask('/own', bob)),
      ([status]) => status === 429,
    );
    expect(await told(await ask('/own', ann))).toEqual([429, wait, 'tenant bytes']);
    nowMs = Number(wait) * 1_000;
    expect((await ask('/own', ann)).status).toBe(200);
  });

  it('of bytes pays for what it sends, too', async () => {
    await start({ subject: { bytesPerS: 1_000 } });
    const ann = await service.token('acme', 'ann');
    const sent = await ask('/take', ann, { method: 'POST', body: 'x'.repeat(61_000) });
    expect(sent.status).toBe(200);
    const [status, retryAfter] = await told(await ask('/own', ann));
    expect(status).toBe(429);
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(60);
  });

  it('of requests in flight waits for one of them', async () => {
    await start({ subject: { inFlight: 2 } });
    const ann = await service.token('acme', 'ann');
    const waiting = [ask('/held', ann), ask('/held', ann)];
    await eventually(
      async () => held.length,
      (length) => length === 2,
    );
    expect(await told(await ask('/own', ann))).toEqual([429, '1', 'subject in flight']);
    for (const release of held.splice(0)) release();
    for (const one of await Promise.all(waiting)) expect(one.status).toBe(200);
    await eventually(
      async () => (await ask('/own', ann)).status,
      (status) => status === 200,
    );
  });
});

describe('an address at its limit', () => {
  it('of requests without a verified token is refused before a token is looked at', async () => {
    await start({ address: { requestsPerS: 3 } });
    const statuses = [];
    for (const [path, token] of [['/public'], ['/own', 'nonsense'], ['/nothing'], ['/own', 'x']]) {
      statuses.push((await ask(path ?? '', token)).status);
    }
    expect(statuses).toEqual([200, 401, 404, 429]);
    expect(await told(await ask('/public'))).toEqual([429, '1', 'address requests']);
    expect((await ask('/probe')).status).toBe(200);
    nowMs = 1_000;
    expect((await ask('/public')).status).toBe(200);
  });

  it('of requests without a verified token keeps nobody out whose token is known', async () => {
    await start({ address: { requestsPerS: 3 } });
    const [ann, bob] = [await service.token('acme', 'ann'), await service.token('acme', 'bob')];
    expect((await ask('/own', ann)).status).toBe(200);
    const statuses = [];
    for (let n = 0; n < 4; n++) statuses.push((await ask('/own', 'nonsense')).status);
    expect(statuses).toEqual([401, 401, 401, 429]);
    expect((await ask('/own', ann)).status).toBe(200);
    expect(await told(await ask('/own', bob))).toEqual([429, '1', 'address requests']);
  });

  it('is charged for WebSockets that are refused', async () => {
    await start({ address: { requestsPerS: 2 } });
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push(await upgradeStatus(UPGRADE));
    expect(statuses).toEqual(['401', '401', '429']);
  });

  it('keeps no WebSocket out whose token or ticket is known', async () => {
    await start({ address: { requestsPerS: 1 } });
    const ann = await service.token('acme', 'ann');
    const known = UPGRADE.replace('Host', `Authorization: Bearer ${ann}\r\nHost`);
    const ticket = service.ticketFor(ann);
    const byTicket = UPGRADE.replace('/socket', `/socket?ticket=${await ticket}`);
    expect((await ask('/own', ann)).status).toBe(200);
    expect((await ask('/own', 'nonsense')).status).toBe(401);
    // Both come as far as being refused for themselves.
    for (const [text, status] of [
      [UPGRADE, '429'],
      [known, '401'],
      [byTicket, '401'],
      [byTicket.replace('ticket=', 'ticket=x'), '429'],
    ] as const) {
      expect(await upgradeStatus(text)).toBe(status);
    }
    // A ticket is no excuse where none is taken.
    expect((await ask(`/own?ticket=${await ticket}`)).status).toBe(429);
  });

  it('is not charged for requests with a verified token', async () => {
    await start({ address: { requestsPerS: 1 } });
    const ann = await service.token('acme', 'ann');
    for (let n = 0; n < 10; n++) expect((await ask('/own', ann)).status).toBe(200);
  });

  it('of busy connections is refused, and let in when one is over', async () => {
    await start({ address: { connections: 2 } });
    const ann = await service.token('acme', 'ann');
    const waiting = [ask('/held', ann), ask('/held', ann)];
    await eventually(
      async () => held.length,
      (length) => length === 2,
    );
    const refused = await ask('/public');
    expect(await told(refused)).toEqual([429, '1', 'address connections']);
    for (const release of held.splice(0)) release();
    await Promise.all(waiting);
    await eventually(
      async () => (await ask('/public')).status,
      (status) => status === 200,
    );
  });
});

it('by default nobody notices limits: a thousand requests of one token are answered', async () => {
  await start({}, { clock: () => performance.now() });
  const ann = await service.token('acme', 'ann');
  const statuses = new Set<number>();
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask('/own', ann)));
    for (const answer of answers) {
      statuses.add(answer.status);
      await answer.text();
    }
  }
  expect([...statuses]).toEqual([200]);
});
