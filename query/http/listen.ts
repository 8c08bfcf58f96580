// Listening at an address, for every server of this interface.
import { TailraceError } from '../../lib/errors.ts';
import { type Engine, listenAlone, type TemplatedApp } from './engine.ts';

export type ListenSocket = Parameters<Engine['us_listen_socket_close']>[0];

/** Where to listen. `portName` is the variable that says the port, for people. */
export interface Address {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly portName: string;
}

export interface Listening {
  readonly socket: ListenSocket;
  readonly port: number;
  readonly url: string;
}

/** Resolves when the app listens. @throws TailraceError `http_port`: the address is taken or not ours. */
export function listen(
  engine: Engine,
  app: TemplatedApp,
  { host, port, portName }: Address,
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    listenAlone(app, host, port, (socket) => {
      if (socket) {
        const actual = engine.us_socket_local_port(socket);
        const url = `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
        resolve({ socket, port: actual, url });
      } else {
        const where = `HTTP_HOST ${host} with ${portName} ${port}`;
        const detail = `${where} cannot be listened at: taken, or no address of this machine.`;
        reject(new TailraceError('http_port', detail));
      }
    });
  });
}
