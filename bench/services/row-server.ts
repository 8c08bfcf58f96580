// The server that one would write in an afternoon: node:http, a pool, time_bucket over the same rollup, and the rows as
// they come through JSON.stringify. No tokens, no policy, no late data.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Lifecycle } from '../../lib/lifecycle.ts';
import type { Database } from '../../sql/connection.ts';

// In the order of its columns a chart needs nothing more.
const OF_READINGS = `
select series_id, time_bucket($1::interval, time) as t, first(value, time) as first, min(time) as t_first,
  last(value, time) as last, max(time) as t_last, min(value) as min, first(time, value) as t_min,
  max(value) as max, last(time, value) as t_max
from tailrace.reading where series_id = any ($2::int4[]) and time >= $3 and time < $4
group by 1, 2 order by 1, 2`;

const ofRollup = (level: string) => `
select series_id, time_bucket($1::interval, bucket) as t, first(first, t_first) as first, min(t_first) as t_first,
  last(last, t_last) as last, max(t_last) as t_last, min(min) as min, first(t_min, min) as t_min,
  max(max) as max, last(t_max, max) as t_max
from tailrace.rollup_${level} where series_id = any ($2::int4[]) and bucket >= $3 and bucket < $4
group by 1, 2 order by 1, 2`;

/** What it is asked, as parameters of its URL. */
export interface RowQuestion {
  readonly seriesIds: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  /** Name of a rollup's level, or `raw`. */
  readonly level: string;
}

/** The path that asks the row server. */
export function rowPath({ seriesIds, startMs, endMs, stepMs, level }: RowQuestion): string {
  return `/?series=${seriesIds.join()}&start=${startMs}&end=${endMs}&step=${stepMs}&level=${level}`;
}

/** Starts it on a port of the system's choice; it stops with the area. */
export async function startRowServer(database: Database, lifecycle: Lifecycle): Promise<string> {
  async function answer(url: URL): Promise<string> {
    const get = (name: string) => url.searchParams.get(name) ?? '';
    const level = get('level');
    if (!/^[a-z0-9]+$/.test(level)) throw new TypeError(`no level: ${level}`);
    const { rows } = await database.writer.query(level === 'raw' ? OF_READINGS : ofRollup(level), [
      `${get('step')} milliseconds`,
      get('series').split(',').map(Number),
      new Date(Number(get('start'))),
      new Date(Number(get('end'))),
    ]);
    return JSON.stringify(rows);
  }

  const server = createServer((request, response) => {
    answer(new URL(request.url ?? '/', 'http://localhost')).then(
      (body) => response.setHeader('Content-Type', 'application/json').end(body),
      (cause: unknown) => response.writeHead(500).end(String(cause)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lifecycle.add({
    name: 'row server',
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
