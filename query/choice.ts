// Which series a request names, and which of them its caller may see.
import { messageOf, TailraceError } from '../lib/errors.ts';
import { compileSelector, parseSelector, type Selector } from '../lib/selector.ts';
import { type Grant, redactSelector, seriesFilter, visibleSeries } from '../policies/grant.ts';
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

/** All series that a name stands for; several where they differ in labels only. */
function findByName(name: string, tenant: string, catalogue: Catalogue): Series[] {
  if (/^\d{1,10}$/.test(name)) {
    const series = catalogue.byId(Number(name));
    return series?.tenant === tenant ? [series] : [];
  }
  const slash = name.indexOf('/');
  if (slash < 0) return [];
  const [asset, channel] = [name.slice(0, slash), name.slice(slash + 1)];
  const plain = catalogue.find(tenant, asset, channel);
  if (plain !== undefined) return [plain];
  return catalogue.select(tenant, [
    [
      { label: 'asset', op: '=', value: asset },
      { label: 'channel', op: '=', value: channel },
    ],
  ]);
}

/** The series that a selector finds among those the caller may see, by id. */
export function selectVisible(selector: Selector, grant: Grant, catalogue: Catalogue): Series[] {
  const seen = redactSelector(grant, selector);
  return seen === undefined ? [] : visibleSeries(grant, catalogue.select(grant.tenant, [seen]));
}

/** The predicate of a selector as this caller may use it. */
export function selectorFilter(selector: Selector, grant: Grant): (series: Series) => boolean {
  const seen = redactSelector(grant, selector);
  return seen === undefined ? () => false : compileSelector(seen);
}

export interface Chosen {
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
    const found = findByName(name, grant.tenant, catalogue).filter(allowed);
    if (found.length === 0) unknown.push(name);
    for (const one of found) series.set(one.id, one);
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
