// What the main thread and the thread of the embedded database tell each other.

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
  | { readonly kind: 'stopped' };
