// The tags of line protocol: labels of the readings that follow.
/** What a line's tags say; kept by their text, because the next lines have the same. */
export interface Tags {
  readonly labels: Readonly<Record<string, string>>;
  /** What is said of where the readings belong: it must be what the topic says. */
  readonly tenant: string | undefined;
  readonly asset: string | undefined;
}

/** Takes the backslashes out that stand before a comma, an equals sign or a space; others are meant. */
export function unescapeName(text: string): string {
  return text.includes('\\') ? text.replace(/\\([,= ])/g, '$1') : text;
}

/** A tag: on both sides of an equals sign, escapes or anything but what would end it. */
const TAG = /((?:\\[,= ]|[^,=\\]|\\(?![,= ]))+)=((?:\\[,= ]|[^,=\\]|\\(?![,= ]))+)(,|$)/y;

/** Reads `key=value,key=value`; gives back what is wrong with it as text. */
function parseTags(text: string): Tags | string {
  const tags = new Map<string, string>();
  TAG.lastIndex = 0;
  let isOpen = true;
  while (isOpen) {
    const [, key, value, next] = TAG.exec(text) ?? [];
    if (key === undefined || value === undefined) return 'a tag is not key=value';
    const name = unescapeName(key);
    if (tags.has(name)) return 'a tag comes twice';
    tags.set(name, unescapeName(value));
    isOpen = next === ',';
  }
  const tenant = tags.get('tenant');
  const asset = tags.get('asset');
  tags.delete('tenant');
  tags.delete('asset');
  return { labels: Object.fromEntries(tags), tenant, asset };
}

/** What a line's tags are, by their text. */
export type ReadTags = (text: string) => Tags | string;

const TAGS_MAX = 4_096;
/** In characters. Longer ones are read anew: a payload could fill the memory with them. */
const TEXT_MAX = 1_024;

/** Makes a reader of tags that remembers up to `tagsMax` texts, none of them long, and then starts anew. */
export function createTagReader(tagsMax: number = TAGS_MAX): ReadTags {
  const known = new Map<string, Tags | string>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const tags = parseTags(text);
    if (text.length > TEXT_MAX) return tags;
    if (known.size >= tagsMax) known.clear();
    known.set(text, tags);
    return tags;
  };
}

/** What is wrong with whom tags name, if something is. */
export function ownerOf(
  { tenant, asset }: Tags,
  context: { readonly tenant: string; readonly asset: string },
): 'tenant' | 'asset' | undefined {
  if (tenant !== undefined && tenant !== context.tenant) return 'tenant';
  if (asset !== undefined && asset !== context.asset) return 'asset';
  return undefined;
}
