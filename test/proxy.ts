// A TCP proxy for tests of what networks do: it can be cut, made to refuse, held still, and what passes can be looked at
// and changed on the way.
import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Socket,
} from 'node:net';

/** What passes on one connection. Each may change what it is given, and keep it back by taking its time. */
export interface Passage {
  /** From the client to the server. */
  up(chunk: Buffer): Buffer | Promise<Buffer>;
  down(chunk: Buffer): Buffer | Promise<Buffer>;
}

export interface Link {
  /** Ends the connection on both sides at once, with whatever is on the way. */
  cut(): void;
}

export interface TcpProxy {
  readonly port: number;
  /** Connections that were opened since the start. */
  readonly opened: number;
  /** Ends every connection there is. New ones may come. */
  cut(): void;
  /** Ends every connection, and each new one as soon as it comes, until `accept`. */
  refuse(): void;
  accept(): void;
  /** Lets nothing pass, on connections that stay open, until `release`. */
  hold(): void;
  release(): void;
  close(): Promise<void>;
}

const UNCHANGED: Passage = { up: (chunk) => chunk, down: (chunk) => chunk };

/** Starts a proxy on a free port of 127.0.0.1. `target` is asked for each connection. */
export async function startProxy(
  target: () => NetConnectOpts,
  passage: (link: Link) => Passage = () => UNCHANGED,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let opened = 0;
  let refusing = false;
  let gate: { readonly passed: Promise<void>; open(): void } | undefined;

  async function pump(
    from: Socket,
    to: Socket,
    pass: (chunk: Buffer) => Buffer | Promise<Buffer>,
  ): Promise<void> {
    for await (const chunk of from) {
      while (gate !== undefined) await gate.passed;
      const passed = await pass(chunk as Buffer);
      if (to.destroyed) return;
      // Called for what could not be written, too.
      await new Promise<void>((resolve) => to.write(passed, () => resolve()));
    }
    to.end();
  }

  const server = createServer({ noDelay: true }, (client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    opened++;
    const upstream = connect({ ...target(), noDelay: true });
    const link = {
      cut() {
        client.resetAndDestroy();
        upstream.destroy();
      },
    };
    const { up, down } = passage(link);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => link.cut());
      socket.on('close', () => {
        sockets.delete(socket);
        (socket === client ? upstream : client).destroySoon();
      });
    }
    // A socket that is destroyed ends its loop by throwing.
    pump(client, upstream, up).catch(() => link.cut());
    pump(upstream, client, down).catch(() => link.cut());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  function cut(): void {
    for (const socket of sockets) socket.destroy();
  }

  function release(): void {
    gate?.open();
    gate = undefined;
  }

  return {
    port: (server.address() as AddressInfo).port,
    get opened() {
      return opened;
    },
    cut,
    refuse() {
      refusing = true;
      cut();
    },
    accept() {
      refusing = false;
    },
    hold() {
      gate ??= createGate();
    },
    release,
    async close() {
      cut();
      release();
      server.close();
      await once(server, 'close');
    },
  };
}

function createGate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
