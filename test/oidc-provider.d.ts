// The parts of oidc-provider that tests use; its own types bring a dozen packages along.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface StoredToken {
    readonly accountId: string;
    destroy(): Promise<void>;
  }

  export class Provider {
    constructor(issuer: string, configuration: object);
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
    on(event: 'refresh_token.saved', listener: (token: StoredToken) => void): void;
  }
}
