import type { Client } from '../transaction.ts';

// Those that another ingester holds are left out, unless it has not said for so long that it is still there that it is
// dead, or ($5) there can be no other.
const CLAIM_REPLAYS = `
with asked as (
  select id, received_at, replay_requested_at, octet_length(payload) as bytes from tailrace.dead_letter
  where replay_requested_at is not null and replayed_at is null
    and ($5::boolean or claimed_until is null or claimed_until < now() or claimed_by = $1::text)
  order by replay_requested_at, id
  limit $2
  for update skip locked
), measured as (
  select *, sum(bytes) over (order by replay_requested_at, id) - bytes as bytes_before from asked
)
update tailrace.dead_letter as letter set
  claimed_by = $1::text, claimed_until = now() + $4::float8 * interval '1 millisecond'
from measured
where bytes_before < $3::int8 and letter.id = measured.id and letter.received_at = measured.received_at
returning letter.id::float8, (extract(epoch from letter.received_at) * 1000000)::float8 as received_us, letter.topic,
  letter.content_type, letter.properties, letter.payload`;

export interface ClaimedLetter {
  readonly id: number;
  readonly received_us: number;
  readonly topic: string;
  readonly content_type: string | null;
  readonly properties: Readonly<Record<string, string>> | null;
  readonly payload: Buffer;
}

export interface ReplayClaim {
  /** Who claims. */
  readonly by: string;
  readonly leaseMs: number;
  readonly lettersMax: number;
  /** Of their payloads; the first is claimed however large it is. */
  readonly bytesMax: number;
  /** Nobody else can be at work: what is claimed is a dead process's. */
  readonly alone: boolean;
}

/** Claims letters whose replay was asked for, the oldest requests, by the lowest id first. */
export async function claimReplays(client: Client, claim: ReplayClaim): Promise<ClaimedLetter[]> {
  const { by, leaseMs, lettersMax, bytesMax, alone } = claim;
  const values = [by, lettersMax, bytesMax, leaseMs, alone];
  const { rows } = await client.query<ClaimedLetter>(CLAIM_REPLAYS, values);
  return rows.sort((a, b) => a.id - b.id);
}
