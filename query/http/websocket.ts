// WebSockets of the engine as plain ends, so that what speaks over them knows nothing of the engine.

import { afterTaking, type Rate, waitMs } from '../../lib/limits/bucket.ts';
import type { Log } from '../../lib/log.ts';
import type { Limits } from '../limits/limits.ts';
import { type Account, decisionHeaders, logRequest, openAccount } from './account.ts';
import type { HttpResponse, TemplatedApp, WebSocket } from './engine.ts';
import { isKnownProblem, problemReply } from './problem.ts';
import { checkSizes, copyRequest, type Request } from './request.ts';
import { beginExchange, type Exchange, sendReply } from './send.ts';

/** One end of an open WebSocket. Nothing here throws after the close. */
export interface SocketEnd {
  send(data: string | Uint8Array): void;
  /** Bytes that the engine holds because the client does not read. */
  bufferedBytes(): number;
  /** Is sent what is published to a topic from now on, in one order with what `send` is given. */
  subscribe(topic: string): void;
  /** Is sent nothing that is published from now on. */
  unsubscribe(topic: string): void;
  /** Sends a close frame behind what was sent, and forgets the socket. */
  end(code: number, reason: string): void;
}

export interface SocketHandler {
  /** `data` is the receiver's own. */
  message(data: Uint8Array, isBinary: boolean): void;
  drained(): void;
  closed(): void;
}

export interface Accepted {
  /** The subprotocol chosen; undefined where none was offered. */
  readonly protocol: string | undefined;
  connect(socket: SocketEnd): SocketHandler;
  /** Gives back what was taken for it. Called once the socket is closed, or where it never opens. */
  release(): void;
}

export interface WebSocketOptions {
  readonly path: string;
  /** Decides whether a connection may open. Throws TailraceError for the answer it gets instead. */
  accept(request: Request, account: Account): Promise<Accepted>;
  /** Counts each connection from its handshake to its end, and the handshakes that are refused. */
  readonly limits: Limits;
  /** Whether a request comes with a token or a ticket that is known: then its address is not answered for by others. */
  knows(request: Request): boolean;
  /** Headers for the answers. */
  headers(request: Request): Record<string, string>;
  /** A longer message closes the connection; up to it the handler says what is wrong. */
  readonly messageMaxBytes: number;
  readonly log: Log;
}

interface UserData {
  readonly accepted: Accepted;
  readonly leave: () => void;
  /** Of its pings: when it may send as many at once again, by the clock of `performance.now()`. */
  pingsFullAtMs: number;
  socket: OpenSocket | undefined;
}

interface OpenSocket {
  readonly handler: SocketHandler;
  open: boolean;
}

/**
 * The engine answers each ping, and keeps the pongs for a client that does not read them: 125 bytes, as often as it
 * likes. Clients that keep a connection alive send one in some seconds.
 */
const PINGS: Rate = { perS: 5, burst: 50 };
/** Seconds of silence after which a connection is given up; the engine pings before. */
const IDLE_TIMEOUT_S = 60;

function endOf(ws: WebSocket<UserData>, state: { open: boolean }): SocketEnd {
  return {
    send(data) {
      if (!state.open) return;
      ws.cork(() => ws.send(data, typeof data !== 'string'));
    },
    bufferedBytes: () => (state.open ? ws.getBufferedAmount() : 0),
    subscribe(topic) {
      if (state.open) ws.subscribe(topic);
    },
    unsubscribe(topic) {
      if (!state.open) return;
      // The engine forgets what was published in this turn of the loop for whoever leaves in it. Whatever is sent goes
      // behind that, and has it sent first: a ping is the least.
      ws.ping();
      ws.unsubscribe(topic);
    },
    end(code, reason) {
      if (!state.open) return;
      state.open = false;
      ws.end(code, reason);
    },
  };
}

/**
 * Has the engine make a WebSocket of a response without a cork of that response's own. At the end of one, the engine
 * (uWebSockets#1929) looks whether the response asked for the connection to be closed; where the WebSocket came to lie in
 * the same memory, that is whatever stands there now, and one in some hundred new sockets is closed. While another socket
 * has the cork, no response gets it.
 */
function upgradeUncorked(
  opened: Iterable<WebSocket<UserData>>,
  res: HttpResponse,
  work: () => void,
) {
  const [other] = opened;
  if (other === undefined) res.cork(work);
  else other.cork(() => void res.cork(work));
}

function upgrade(
  exchange: Exchange,
  request: Request,
  taken: { readonly accepted: Accepted; readonly leave: () => void },
  context: Parameters<HttpResponse['upgrade']>[4],
  options: {
    readonly answer: Readonly<Record<string, string>>;
    readonly opened: Iterable<WebSocket<UserData>>;
  },
): void {
  if (exchange.gone) {
    taken.leave();
    return;
  }
  const { res } = exchange;
  const { headers } = request;
  const data: UserData = { ...taken, pingsFullAtMs: 0, socket: undefined };
  res.cork(() => {
    // Before a header: the engine writes 200 otherwise.
    res.writeStatus('101 Switching Protocols');
    for (const [name, value] of Object.entries(options.answer)) res.writeHeader(name, value);
  });
  upgradeUncorked(options.opened, res, () =>
    res.upgrade(
      data,
      headers.get('sec-websocket-key') ?? '',
      taken.accepted.protocol ?? '',
      headers.get('sec-websocket-extensions') ?? '',
      context,
    ),
  );
}

/** Lets an app take WebSockets at a path. */
export function serveWebSockets(app: TemplatedApp, options: WebSocketOptions): void {
  const { path, accept, limits, knows, headers, messageMaxBytes, log } = options;
  const opened = new Set<WebSocket<UserData>>();

  async function acceptOrRefuse(request: Request, account: Account) {
    limits.checkAddress(request.peer, () => knows(request));
    const leaveAddress = limits.enterConnection(request.peer);
    try {
      checkSizes(request);
      const accepted = await accept(request, account);
      const leave = () => {
        leaveAddress();
        accepted.release();
      };
      return { accepted, leave };
    } catch (thrown) {
      leaveAddress();
      if (account.claims === undefined) limits.chargeAddress(request.peer);
      throw thrown;
    }
  }

  app.ws<UserData>(path, {
    maxPayloadLength: messageMaxBytes,
    idleTimeout: IDLE_TIMEOUT_S,
    sendPingsAutomatically: true,
    // No limit of the engine's: it would drop frames silently. Whoever sends looks at bufferedBytes().
    maxBackpressure: 0,
    closeOnBackpressureLimit: false,
    upgrade(res, req, context) {
      const request = copyRequest(res, req);
      const exchange = beginExchange(res);
      const account = openAccount();
      const common = headers(request);
      const { traceparent } = common;
      const sinceMs = performance.now();
      const tell = (status: number) => {
        const durationMs = performance.now() - sinceMs;
        logRequest(log, account, { method: 'GET', route: path, status, durationMs, traceparent });
      };
      acceptOrRefuse(request, account)
        .then((taken) => {
          const trace = traceparent === undefined ? {} : { traceparent };
          const answer = { ...trace, ...decisionHeaders(account) };
          try {
            upgrade(exchange, request, taken, context, { answer, opened });
          } catch (thrown) {
            taken.leave();
            throw thrown;
          }
          tell(101);
        })
        .catch((thrown: unknown) => {
          if (!isKnownProblem(thrown)) log.error({ err: thrown, path }, 'an upgrade failed');
          const reply = problemReply(thrown, account.grant?.decisionId);
          tell(reply.status);
          return sendReply(exchange, request, reply, common).then(() => undefined);
        })
        .catch((cause: unknown) => {
          log.error({ err: cause, path }, 'a refusal could not be sent');
          if (!exchange.gone) res.close();
        });
    },
    open(ws) {
      opened.add(ws);
      const data = ws.getUserData();
      // The end exists before its handler, which may send at once.
      const state = { open: true };
      const handler = data.accepted.connect(endOf(ws, state));
      data.socket = Object.assign(state, { handler });
    },
    message(ws, message, isBinary) {
      // A copy: the engine takes the memory back when this function returns.
      const data = new Uint8Array(message.slice(0));
      ws.getUserData().socket?.handler.message(data, isBinary);
    },
    ping(ws) {
      const data = ws.getUserData();
      const nowMs = performance.now();
      if (waitMs(data.pingsFullAtMs, PINGS, 1, nowMs) > 0) ws.close();
      else data.pingsFullAtMs = afterTaking(data.pingsFullAtMs, PINGS, 1, nowMs);
    },
    drain: (ws) => ws.getUserData().socket?.handler.drained(),
    close(ws) {
      opened.delete(ws);
      const { socket, leave } = ws.getUserData();
      leave();
      if (socket === undefined) return;
      socket.open = false;
      socket.handler.closed();
    },
  });
}
