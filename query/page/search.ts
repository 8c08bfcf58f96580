// Searching series as one types: every word has to occur somewhere in asset, channel or unit; matches in front come
// first; results stand by asset.
import type { SeriesInfo } from './wire.ts';

export interface AssetGroup {
  readonly asset: string;
  readonly series: readonly SeriesInfo[];
}

/** `asset/channel`, which names a series in URLs and requests. */
export function nameOf(series: Pick<SeriesInfo, 'asset' | 'channel'>): string {
  return `${series.asset}/${series.channel}`;
}

/** The series that match every word of `text`, by asset; at most `most` of them. */
export function searchSeries(all: readonly SeriesInfo[], text: string, most: number): AssetGroup[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: { series: SeriesInfo; rank: number }[] = [];
  for (const series of all) {
    const rank = rankOf(series, words);
    if (rank !== undefined) found.push({ series, rank });
  }
  found.sort((a, b) => a.rank - b.rank || compareNames(a.series, b.series));
  return groupByAsset(found.slice(0, most).map(({ series }) => series));
}

/** 0 where a word begins the last part of the channel, 1 where it begins another part, 2 elsewhere; the worst word counts. */
function rankOf(series: SeriesInfo, words: readonly string[]): number | undefined {
  const name = nameOf(series).toLowerCase();
  const last = name.slice(name.lastIndexOf('/') + 1);
  let worst = 0;
  for (const word of words) {
    const spaced = word.replaceAll('-', '_');
    if (last.startsWith(spaced) || last.startsWith(word)) continue;
    if (name.split(/[/_\-. ]/).some((part) => part.startsWith(word))) worst = Math.max(worst, 1);
    else if (name.includes(word) || name.includes(spaced)) worst = 2;
    else if (series.unit?.toLowerCase() === word) worst = 2;
    else return undefined;
  }
  return worst;
}

function compareNames(a: SeriesInfo, b: SeriesInfo): number {
  return (
    a.asset.localeCompare(b.asset) ||
    a.channel.localeCompare(b.channel, undefined, { numeric: true })
  );
}

function groupByAsset(series: readonly SeriesInfo[]): AssetGroup[] {
  const groups = new Map<string, SeriesInfo[]>();
  for (const one of series) {
    const group = groups.get(one.asset);
    if (group === undefined) groups.set(one.asset, [one]);
    else group.push(one);
  }
  return [...groups].map(([asset, members]) => ({ asset, series: members }));
}
