// Where a write over HTTP goes, and how the protocols in which it is asked for differ.
import { channelFault, nameFault } from '../ingest/topics/target.ts';
import type { WriteOutcome } from '../ingest/write/door.ts';
import { TailraceError } from '../lib/errors.ts';
import type { Reply } from '../query/http/reply.ts';
import type { Request } from '../query/http/request.ts';
import type { Parameter } from '../query/http/routes.ts';
import { invalidParameter } from '../query/parameters.ts';

/** Brokers bound the levels of a topic (the embedded one: 100); three come before the channel. */
const CHANNEL_LEVELS_MAX = 97;

/** Where something is to be written. */
export interface WriteTarget {
  readonly asset: string;
  /** '' for none. */
  readonly channel: string;
}

/** How one protocol says things. */
export interface WriteDialect {
  readonly path: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly status: number;
  readonly types: readonly string[];
  /** What a body is, whatever the request says. */
  readonly contentType?: string;
  /** Clients try their rights with an empty body. */
  readonly takesNothing?: true;
  readonly refusal?: (problem: Reply) => Reply;
  readonly authorization?: (request: Request) => string | undefined;
  /** @throws TailraceError `missing_parameter`, `bad_parameter`. */
  readTarget(request: Request): WriteTarget;
  answer(written: Extract<WriteOutcome, { kind: 'written' }>): Reply;
}

/** @throws TailraceError `bad_parameter` for what cannot be part of a topic. */
export function checkTarget(parameter: string, target: WriteTarget): WriteTarget {
  const { asset, channel } = target;
  const fault = nameFault('asset', asset) ?? (channel === '' ? undefined : channelFault(channel));
  if (fault !== undefined) throw invalidParameter(parameter, fault.reason);
  if (channel.split('/').length > CHANNEL_LEVELS_MAX) {
    throw invalidParameter(parameter, `A channel has ${CHANNEL_LEVELS_MAX} parts at most.`);
  }
  return target;
}

/** A 400 for a parameter that is not there. */
export function missing(parameter: string): TailraceError {
  return new TailraceError('missing_parameter', `${parameter}: it is needed`, {
    details: { parameter },
  });
}
