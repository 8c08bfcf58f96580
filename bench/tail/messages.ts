// What the bench says to its servers and subscribers of live tails, which are processes of their own.
import type { Load, Shape } from './load.ts';

/** tailrace, a fan-out as one writes it first (`ws`, JSON for each socket), or uWebSockets.js with frames ready to go. */
export type ServerKind = 'tailrace' | 'naive' | 'publish';

export interface ServerSettings {
  readonly kind: ServerKind;
  readonly shape: Shape;
  readonly databaseUrl: string;
  readonly embedded: boolean;
  /** By index. */
  readonly seriesIds: readonly number[];
}

/** Each is answered once, by an answer of the same kind. */
export type ServerRequest =
  | { readonly kind: 'load'; readonly load: Load }
  /** After a collection of what is no longer used, or as it is. */
  | { readonly kind: 'account'; readonly collected: boolean };
export type ServerAnswer =
  | { readonly kind: 'listening'; readonly port: number; readonly token: string }
  | { readonly kind: 'load' }
  | { readonly kind: 'account'; readonly cpuS: number; readonly rssBytes: number };

/** What a process of subscribers opens. */
export interface OpenTails {
  readonly port: number;
  readonly token: string;
  /** The series of each. */
  readonly sets: readonly (readonly number[])[];
  /** So many of them, evenly spread, read nothing once they are subscribed. */
  readonly stalled: number;
}

export type SubscriberRequest =
  | { readonly kind: 'open'; readonly tails: OpenTails }
  /** Forgets what came so far. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'received' }
  | { readonly kind: 'latencies' };
export type SubscriberAnswer =
  | { readonly kind: 'open' | 'begin' }
  | { readonly kind: 'received'; readonly received: Received }
  /** Of the frames that were read as a sample, from publishing to reading, in ms. */
  | { readonly kind: 'latencies'; readonly latenciesMs: readonly number[] };

/** Since `begin`. */
export interface Received {
  readonly frames: number;
  readonly bytes: number;
  /** When the newest of it came, ms since 1970. */
  readonly lastAtMs: number;
  readonly sampledFrames: number;
  /** Points, and points that a frame said were left out, in the sampled ones. */
  readonly sampledPoints: number;
  readonly sampledDropped: number;
  /** Connections that the server closed. */
  readonly closed: number;
}
