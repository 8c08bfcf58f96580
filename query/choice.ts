// Which series a request names, and which of them its caller may see.
import { messageOf, TailraceError } from '../lib/errors.ts';
import { compileSelector, parseSelector, type Selector } from '../lib/selector.ts';
import {
  type Grant,
  mayName,
  redactSelector,
  redactSeries,
  seriesFilter,
  visibleSeries,
} from '../policies/grant.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { Series } from '../store/series.ts';
import type { Parameter } from './http/routes.ts';
import { invalidParameter, type ParameterReader } from './parameters.ts';

const SERIES_MAX = 1_000;

export const CHOICE_PARAMETERS: readonly Parameter[] = [
  {
    name: 'series',
    description: `A series, as \`asset/channel\` or by its id; repeatable, at most ${SERIES_MAX}.`,
    schema: { type: 'array', items: { type: 'string' }, maxItems: SERIES_MAX },
    example: 'rig-7/mud/spp',
  },
  {
    name: 'match',
    description: 'A selector in the syntax of Prometheus, with RE2 regular expressions.',
    schema: { type: 'string' },
    example: '{asset="rig-7",channel=~"mud/.+"}',
  },
];

/** Series by name, or by a selector. */
export type Choice =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'match'; readonly selector: Selector };

/** Reads a selector; the 400 names `parameter`. */
export function parseMatch(text: string, parameter = 'match'): Selector {
  try {
    const selector = parseSelector(text);
    // Also the regular expressions are looked at now, not when the first series comes by.
    compileSelector(selector);
    return selector;
  } catch (cause) {
    throw invalidParameter(parameter, messageOf(cause));
  }
}

/** Makes a choice of names or a selector, of which there has to be exactly one. */
export function chooseBy(names: readonly string[], match: string | undefined): Choice {
  if (names.length > 0 && match !== undefined) {
    throw new TailraceError('conflicting_parameters', 'Give series or match, not both.', {
      details: { parameter: 'match' },
    });
  }
  if (match !== undefined) return { kind: 'match', selector: parseMatch(match) };
  if (names.length === 0) {
    throw new TailraceError('missing_parameter', 'Say which series: by series or by match.', {
      details: { parameter: 'series' },
    });
  }
  if (names.length > SERIES_MAX) {
    throw invalidParameter('series', `may stand ${SERIES_MAX} times at most`);
  }
  return { kind: 'names', names: [...new Set(names)] };
}

/** Reads `series` and `match`. */
export function readChoice(reader: ParameterReader): Choice {
  return chooseBy(reader.many('series'), reader.one('match'));
}

/**
 * What a selector may take over all series, in ms. Values are asked once each, so this is met only by expressions of
 * hundreds of instructions over many series of different channels (up to 9 ms a series); the loop is everybody's.
 */
const SELECTION_MAX_MS = 1_000;
const LOOK_AT_THE_CLOCK_EVERY = 64;

/** Series that a selector can find: those of one asset where it names one, as most do. */
function candidates(selector: Selector, { tenant }: Grant, catalogue: Catalogue) {
  const asset = selector.find(({ label, op }) => label === 'asset' && op === '=');
  if (asset === undefined) return catalogue.ofTenant(tenant);
  return catalogue.ofAsset(tenant, asset.value);
}

/**
 * The series that a selector finds among those the caller may see, by id and as the caller may see them, from the id
 * after `afterId` on and at most `max`.
 *
 * @throws TailraceError `too_costly` where the selector takes too long.
 */
export function selectVisible(
  selector: Selector,
  grant: Grant,
  catalogue: Catalogue,
  { afterId = 0, max = Number.POSITIVE_INFINITY } = {},
): Series[] {
  const seen = redactSelector(grant, selector);
  if (seen === undefined) return [];
  const matches = compileSelector(seen);
  const allowed = seriesFilter(grant);
  const sinceMs = performance.now();
  const found: Series[] = [];
  let looked = 0;
  for (const series of candidates(seen, grant, catalogue)) {
    if (series.id <= afterId) continue;
    if (found.length >= max) break;
    looked += 1;
    if (looked % LOOK_AT_THE_CLOCK_EVERY === 0) checkDuration(sinceMs);
    if (allowed(series) && matches(series)) found.push(redactSeries(grant, series));
  }
  return found;
}

function checkDuration(sinceMs: number): void {
  if (performance.now() - sinceMs <= SELECTION_MAX_MS) return;
  throw new TailraceError(
    'too_costly',
    'The regular expressions of the selector take too long over this many series: name an asset, or shorten them.',
    { details: { parameter: 'match' } },
  );
}

/** Of series that have just been created those that a selector finds, as the caller may see them. */
export function selectCreated(
  selector: Selector,
  grant: Grant,
  created: readonly Series[],
): Series[] {
  const seen = redactSelector(grant, selector);
  if (seen === undefined) return [];
  const found = visibleSeries(grant, created).filter(compileSelector(seen));
  return found.map((series) => redactSeries(grant, series));
}

/** Of the series with these ids those that the caller may see, as it may see them. */
export function shownByIds(
  ids: Iterable<number>,
  grant: Grant,
  catalogue: Pick<Catalogue, 'byId'>,
): Series[] {
  const known = Array.from(ids).flatMap((id) => catalogue.byId(id) ?? []);
  return visibleSeries(grant, known).map((series) => redactSeries(grant, series));
}

/**
 * The visible series that a name stands for; several where they differ in labels only. What is hidden does not count:
 * a name means to a caller what it would mean if the hidden series were not there.
 */
function findByName(
  name: string,
  grant: Grant,
  catalogue: Catalogue,
  allowed: (series: Series) => boolean,
): readonly Series[] {
  if (/^\d{1,10}$/.test(name)) {
    const series = catalogue.byId(Number(name));
    return series !== undefined && allowed(series) ? [series] : [];
  }
  const slash = name.indexOf('/');
  if (slash < 0 || !mayName(grant)) return [];
  const [asset, channel] = [name.slice(0, slash), name.slice(slash + 1)];
  const visible = catalogue.named(grant.tenant, asset, channel).filter(allowed);
  const plain = visible.find(({ labels }) => Object.keys(labels).length === 0);
  return plain === undefined ? visible : [plain];
}

export interface Chosen {
  /** As the caller may see them. */
  readonly series: readonly Series[];
  /** Names that stand for nothing that this caller may see. */
  readonly unknown: readonly string[];
}

/** Series of a choice within a grant; each once, names in their order, matches by id. */
export function resolveChoice(choice: Choice, grant: Grant, catalogue: Catalogue): Chosen {
  if (choice.kind === 'match') {
    return { series: selectVisible(choice.selector, grant, catalogue), unknown: [] };
  }
  const allowed = seriesFilter(grant);
  const series = new Map<number, Series>();
  const unknown: string[] = [];
  for (const name of choice.names) {
    const found = findByName(name, grant, catalogue, allowed);
    if (found.length === 0) unknown.push(name);
    for (const one of found) series.set(one.id, redactSeries(grant, one));
  }
  return { series: [...series.values()], unknown };
}

/** As `resolveChoice`, for answers that need every series. @throws TailraceError `unknown_series`, one for hidden and absent. */
export function requireChoice(
  choice: Choice,
  grant: Grant,
  catalogue: Catalogue,
): readonly Series[] {
  const { series, unknown } = resolveChoice(choice, grant, catalogue);
  if (unknown.length > 0) {
    throw new TailraceError('unknown_series', `There is no series ${unknown[0]}.`, {
      details: { parameter: 'series', series: unknown.slice(0, 20) },
    });
  }
  if (series.length > SERIES_MAX) {
    throw invalidParameter(
      'match',
      `finds ${series.length} series, and an answer has ${SERIES_MAX} at most; narrow it`,
    );
  }
  return series;
}
