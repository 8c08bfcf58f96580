// What the main thread and the thread of the embedded database tell each other, and what both have to know.

/** Clients at once. Each waits for the session in one place of the queue at most. */
export const CONNECTIONS_MAX = 100;

export interface WorkerOptions {
  readonly databaseDirectory: string;
  readonly socket: string;
  readonly tcpPort: number | undefined;
  readonly syncs: boolean;
}

export type ToWorker = { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'ready'; readonly tcpPort: number | undefined }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly fields: Record<string, unknown>;
      readonly text: string;
    }
  /** How much is going on, once a second. */
  | { readonly kind: 'load'; readonly connections: number; readonly waiting: number }
  | { readonly kind: 'stopped' };
