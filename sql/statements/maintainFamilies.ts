import type { Client } from '../transaction.ts';
import type { MaintainedRollup } from './selectMaintainedRollups.ts';

// What was not kept up is not what the readings say, whatever it was: it is made from the beginning.
const MAINTAIN_FAMILIES = `
update tailrace.rollup set maintained = not maintained, materialised_before = '-infinity'
where family <> 'm4' and maintained <> (family = any ($1::text[]))
returning name, maintained`;

interface ChangedRollup {
  readonly name: string;
  readonly maintained: boolean;
}

/**
 * Has these families of rollups kept up from now on, from the beginning of the readings, and the others no longer; m4
 * always is. Gives the rollups that this changed.
 */
export async function maintainFamilies(
  client: Client,
  families: readonly MaintainedRollup['family'][],
): Promise<readonly ChangedRollup[]> {
  const { rows } = await client.query<ChangedRollup>(MAINTAIN_FAMILIES, [families]);
  return rows;
}
