// What a client would like to have, read from Accept and Accept-Encoding (RFC 9110, 12.5).

interface Wish {
  readonly name: string;
  readonly q: number;
}

function parseWishes(header: string): Wish[] {
  return header.split(',').flatMap((part) => {
    const [name = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    if (name === '') return [];
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const q = weight === undefined ? 1 : Number(weight.slice(2));
    return [{ name, q: Number.isFinite(q) ? q : 0 }];
  });
}

function weightOfType(type: string, wishes: readonly Wish[]): number {
  const family = `${type.slice(0, type.indexOf('/'))}/*`;
  // The most specific wish counts, wherever it stands.
  for (const name of [type, family, '*/*']) {
    const wish = wishes.find((candidate) => candidate.name === name);
    if (wish !== undefined) return wish.q;
  }
  return 0;
}

/** The media type of `offered` that is wished for most, the first of equals; undefined where none is acceptable. */
export function chooseType<T extends string>(
  accept: string | undefined,
  offered: readonly T[],
): T | undefined {
  if (accept === undefined || accept.trim() === '') return offered[0];
  const wishes = parseWishes(accept);
  let best: T | undefined;
  let bestQ = 0;
  for (const type of offered) {
    const q = weightOfType(type, wishes);
    if (q > bestQ) {
      best = type;
      bestQ = q;
    }
  }
  return best;
}

export type Encoding = 'br' | 'gzip' | 'identity';

/** The encoding to answer in; brotli before gzip where they are wished for equally. */
export function chooseEncoding(acceptEncoding: string | undefined): Encoding {
  if (acceptEncoding === undefined) return 'identity';
  const wishes = parseWishes(acceptEncoding);
  const weight = (name: string) =>
    (
      wishes.find((wish) => wish.name === name) ??
      wishes.find((wish) => wish.name === '*') ?? { q: 0 }
    ).q;
  const br = weight('br');
  const gzip = weight('gzip');
  if (br > 0 && br >= gzip) return 'br';
  return gzip > 0 ? 'gzip' : 'identity';
}
