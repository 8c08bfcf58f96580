// Reads query parameters. A handler can read only those that its route declares, so the OpenAPI page lists them all.
import { TailraceError } from '../lib/errors.ts';
import type { Parameter } from './http/routes.ts';

export interface ParameterReader {
  /** The value of a parameter that may stand once; undefined where it is absent or empty. */
  one(name: string): string | undefined;
  /** All values of a parameter that may be repeated. */
  many(name: string): string[];
}

/** A 400 that names the parameter. */
export function invalidParameter(parameter: string, detail: string): TailraceError {
  return new TailraceError('bad_parameter', `${parameter}: ${detail}`, {
    details: { parameter },
  });
}

/** A 400 for something that the contract describes and this version does not do. */
export function notSupportedYet(parameter: string, detail: string): TailraceError {
  return new TailraceError('not_supported_yet', `${parameter}: ${detail}`, {
    details: { parameter },
  });
}

/** How lists page: at most so many of `what` an answer, and where the next one goes on. */
export function pagingParameters(what: string, max: number, usual: number): readonly Parameter[] {
  return [
    {
      name: 'limit',
      description: `Most ${what}.`,
      schema: { type: 'integer', minimum: 1, maximum: max, default: usual },
    },
    {
      name: 'page',
      description: 'What the answer before gave as `next`.',
      schema: { type: 'string' },
    },
  ];
}

/** Reads `query` by the declared `parameters`. Parameters that nobody declared are left alone. */
export function parameterReader(
  query: URLSearchParams,
  parameters: readonly Parameter[],
): ParameterReader {
  const declared = new Set(parameters.map((parameter) => parameter.name));

  function many(name: string): string[] {
    if (!declared.has(name)) throw new Error(`the parameter ${name} is read but not declared`);
    return query.getAll(name).filter((value) => value !== '');
  }

  return {
    many,
    one(name) {
      const values = many(name);
      if (values.length > 1) throw invalidParameter(name, 'may stand once only');
      return values[0];
    },
  };
}

/** Reads a whole number within bounds, or gives `fallback` where there is none. */
export function wholeNumber(
  reader: ParameterReader,
  name: string,
  bounds: { readonly min: number; readonly max: number },
): number | undefined {
  const text = reader.one(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= bounds.min && value <= bounds.max) return value;
  throw invalidParameter(name, `has to be a whole number from ${bounds.min} to ${bounds.max}`);
}

/** Reads one of a list of words. */
export function oneOf<T extends string>(
  reader: ParameterReader,
  name: string,
  words: readonly T[],
): T | undefined {
  const text = reader.one(name);
  if (text === undefined) return undefined;
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) throw invalidParameter(name, `has to be one of ${words.join(', ')}`);
  return word;
}
