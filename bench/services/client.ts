// A client of the query server that keeps one connection.
import { Agent, get } from 'node:http';
import type { Lifecycle } from '../../lib/lifecycle.ts';

/** Asks for a path and gives the answer's body, read to its end. Rejects for anything but 200. */
export type Ask = (path: string) => Promise<Buffer>;

/** Makes a client that sends a token with each request. */
export function openClient(server: { url: string; token: string }, lifecycle: Lifecycle): Ask {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  lifecycle.add({ name: 'bench client', stop: async () => agent.destroy() });
  const headers = { authorization: `Bearer ${server.token}` };
  const ask: Ask = (path) =>
    new Promise((resolve, reject) => {
      const request = get(new URL(path, server.url), { agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(chunks);
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`${response.statusCode} for ${path}: ${body}`));
        });
      });
      request.on('error', (cause: Error & { code?: string }) => {
        // The server closed it for idleness just as it was used again: nothing was answered, so it is asked anew.
        if (request.reusedSocket && cause.code === 'ECONNRESET') resolve(ask(path));
        else reject(cause);
      });
    });
  return ask;
}
