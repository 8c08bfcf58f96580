// How much each subject, tenant and address may have, as the configuration says it.
import type { Config } from '../../lib/config.ts';

/** What those behind verified tokens may have. */
export interface CallerAmounts {
  /** As many may also come at one moment. */
  readonly requestsPerS: number;
  /** Of answers and frames, as they are sent, and of those received. */
  readonly bytesPerS: number;
  /** Requests that are being answered, and readings of open tails: snapshots, and what is delayed or coarser. */
  readonly inFlight: number;
  /** Open tails. */
  readonly tails: number;
}

export interface Amounts {
  readonly subject: CallerAmounts;
  readonly tenant: CallerAmounts;
  readonly address: {
    /** Of requests that no verified token stands behind: public routes, refused tokens. */
    readonly requestsPerS: number;
    /** Connections with a request that is being answered or an open tail. */
    readonly connections: number;
  };
}

/** The amounts of a configuration. */
export function amountsOf(config: Config): Amounts {
  return {
    subject: {
      requestsPerS: config.LIMIT_SUBJECT_REQUESTS_PER_S,
      bytesPerS: config.LIMIT_SUBJECT_BYTES_PER_S,
      inFlight: config.LIMIT_SUBJECT_IN_FLIGHT,
      tails: config.LIMIT_SUBJECT_TAILS,
    },
    tenant: {
      requestsPerS: config.LIMIT_TENANT_REQUESTS_PER_S,
      bytesPerS: config.LIMIT_TENANT_BYTES_PER_S,
      inFlight: config.LIMIT_TENANT_IN_FLIGHT,
      tails: config.LIMIT_TENANT_TAILS,
    },
    address: {
      requestsPerS: config.LIMIT_ADDRESS_REQUESTS_PER_S,
      connections: config.LIMIT_ADDRESS_CONNECTIONS,
    },
  };
}
