// What the charted series are called on the page: as little of their names as tells them apart.

export interface Title {
  /** The whole name, `asset/channel`. */
  readonly name: string;
  /** Undefined where that of the series above it holds here too. */
  readonly asset: string | undefined;
  /** The end of the channel, at least so much of it that no other channel on the page is called the same. */
  readonly text: string;
  /** Asset and text in one line, where the asset is needed. */
  readonly spoken: string;
}

/** Last parts that say nothing of what is measured; decoders and devices call a payload's only value so. */
const SAYING_NOTHING = new Set(['value', 'val', 'v']);

/** Titles of panes of series, in their order. Names are `asset/channel` and no two the same. */
export function titlesOf(panes: readonly (readonly string[])[]): Title[][] {
  const names = panes.flat().map((name) => splitName(name));
  const channels = new Set(names.map(({ channel }) => channel));
  const isOneAsset = new Set(names.map(({ asset }) => asset)).size === 1;
  // A channel that has spaces of its own might read like another one that has underscores there.
  const spaced = [...channels].some((channel) => channel.includes(' '))
    ? (text: string) => text
    : (text: string) => text.replaceAll('_', ' ');

  let above: string | undefined;
  return panes.map((pane) => {
    if (!isOneAsset) above = undefined;
    return pane.map((name) => {
      const { asset, channel } = splitName(name);
      const text = spaced(shortest(channel, channels));
      const shown = asset === above ? undefined : asset;
      above = asset;
      return { name, asset: shown, text, spoken: isOneAsset ? text : `${asset} ${text}` };
    });
  });
}

/** Asset and channel of a name. */
export function splitName(name: string): { asset: string; channel: string } {
  const slash = name.indexOf('/');
  return { asset: name.slice(0, slash), channel: name.slice(slash + 1) };
}

/** The fewest last parts of a channel that say something and that no other channel ends with. */
function shortest(channel: string, channels: ReadonlySet<string>): string {
  const parts = channel.split('/');
  for (let first = parts.length - 1; first > 0; first--) {
    const end = parts.slice(first).join('/');
    if (SAYING_NOTHING.has(end.toLowerCase())) continue;
    if (![...channels].some((other) => other !== channel && endsWithParts(other, end))) return end;
  }
  return channel;
}

function endsWithParts(channel: string, end: string): boolean {
  return channel === end || channel.endsWith(`/${end}`);
}

/** A name up to this long fits everywhere. */
const UNCUT_MAX = 15;
const TAIL_LENGTH = 12;
/** A word's beginning this far from the end is a better place. */
const TAIL_LEAST = 7;

/**
 * A name in two pieces: where room is short the first one's end gives way. What tells names apart is more often at the
 * end of them than in their middle.
 */
export function cutInTwo(name: string): [head: string, tail: string] {
  const signs = Array.from(name);
  if (signs.length <= UNCUT_MAX) return [name, ''];
  const longest = signs.slice(-TAIL_LENGTH).join('');
  const word = longest.search(/(?<=[ /_.-])[^ /_.-]/);
  const tail = word >= 0 && longest.length - word >= TAIL_LEAST ? longest.slice(word) : longest;
  return [name.slice(0, name.length - tail.length), tail];
}
