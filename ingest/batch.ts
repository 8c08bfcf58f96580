// What is collected to be committed together: messages, their readings in columns, and their dead letters.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { ReadingBatch } from '../store/readings.ts';
import type { SeriesIdentity, ValueKind } from '../store/series.ts';
import { type Columns, createColumns } from './columns.ts';
import type { Fault } from './fault.ts';
import type { OutcomeTally } from './message-outcome.ts';

/** A dead letter to be: one for each message and code. */
export interface LetterDraft extends Fault {
  /** Index into the batch's messages. */
  readonly message: number;
  readings: number;
}

/** A series that rows of the batch belong to and that has no id yet. */
export interface WantedSeries extends SeriesIdentity {
  readonly kind: ValueKind;
  readonly unit: string | null;
  firstUs: number;
}

export interface Batch {
  readonly rows: number;
  /** Of payloads and columns, roughly. */
  readonly bytes: number;
  readonly messages: readonly InboundMessage[];
  /** How to acknowledge each of the messages. */
  readonly acknowledgements: readonly (() => void)[];
  /** Of messages whose outcome somebody waits for, by their index. */
  readonly tallies: ReadonlyMap<number, OutcomeTally>;
  readonly letters: Iterable<LetterDraft>;
  readonly letterCount: number;
  readonly wanted: readonly WantedSeries[];
  /**
   * Opens the next message; what is added afterwards is its own. With a tally, its outcome goes there, and its letters
   * are its sender's.
   */
  addMessage(message: InboundMessage, acknowledge: () => void, tally?: OutcomeTally): void;
  /** Adds a reading of the open message. `series` is an id, or what `want` gave. */
  addReading(series: number, timeUs: number, value: number | string, quality: number): void;
  /** Adds a dead letter for the open message, or for the given one. */
  addLetter(fault: Fault, message?: number): void;
  /** The kind that a series without an id will have; undefined where nothing wanted it yet. */
  wantedKind(key: string): ValueKind | undefined;
  /** A stand-in for the id of a series that is yet to be created. `key` tells identities apart. */
  want(
    key: string,
    identity: SeriesIdentity & { readonly unit: string | null },
    kind: ValueKind,
  ): number;
  /**
   * Puts ids in the place of stand-ins. `resolve` gives a wanted series' id, or why its rows cannot be kept: those
   * become dead letters.
   */
  placeWanted(resolve: (wanted: WantedSeries) => number | Fault): void;
  readonly viewEnd: Columns['viewEnd'];
  /** Rows `start` to `end`, not copied: good until the next change. */
  view(start: number, end: number): ReadingBatch;
  clear(): void;
}

const ROW_BYTES = 27;
/** What a message costs beside its payload: objects here, and those that its source keeps of it. */
export const MESSAGE_BYTES = 500;

/** Makes an empty batch. */
export function createBatch(): Batch {
  const columns = createColumns();
  let bytes = 0;
  /** Of the open message. */
  let dup = false;
  let messages: InboundMessage[] = [];
  let acknowledgements: (() => void)[] = [];
  const tallies = new Map<number, OutcomeTally>();
  const letters = new Map<string, LetterDraft>();
  let wanted: WantedSeries[] = [];
  const wantedIndex = new Map<string, number>();

  function addLetter(fault: Fault, message = messages.length - 1): void {
    const key = `${message} ${fault.code}`;
    const letter = letters.get(key);
    if (letter === undefined) letters.set(key, { ...fault, message, readings: 1 });
    else letter.readings++;
  }

  return {
    get rows() {
      return columns.rows;
    },
    get bytes() {
      return bytes;
    },
    get messages() {
      return messages;
    },
    get acknowledgements() {
      return acknowledgements;
    },
    tallies,
    get letters() {
      return letters.values();
    },
    get letterCount() {
      return letters.size;
    },
    get wanted() {
      return wanted;
    },
    addMessage(message, acknowledge, tally) {
      if (tally !== undefined) tallies.set(messages.length, tally);
      messages.push(message);
      acknowledgements.push(acknowledge);
      dup = message.dup;
      bytes += message.payload.length + MESSAGE_BYTES;
    },
    addReading(series, timeUs, value, quality) {
      columns.addRow(series, timeUs, value, quality, dup, messages.length - 1);
      bytes += typeof value === 'string' ? ROW_BYTES + value.length : ROW_BYTES;
      if (series >= 0) return;
      const waiting = wanted[-series - 1] as WantedSeries;
      if (timeUs < waiting.firstUs) waiting.firstUs = timeUs;
    },
    addLetter,
    wantedKind: (key) => wanted[wantedIndex.get(key) ?? -1]?.kind,
    want(key, identity, kind) {
      const index = wantedIndex.get(key);
      if (index !== undefined) return -index - 1;
      wantedIndex.set(key, wanted.length);
      wanted.push({ ...identity, kind, firstUs: Number.POSITIVE_INFINITY });
      return -wanted.length;
    },
    placeWanted(resolve) {
      const placed = wanted.map(resolve);
      columns.replaceSeries((series, message) => {
        if (series >= 0) return series;
        const place = placed[-series - 1] as number | Fault;
        if (typeof place === 'number') return place;
        addLetter(place, message);
        return undefined;
      });
      wanted = [];
      wantedIndex.clear();
    },
    ...{ viewEnd: columns.viewEnd, view: columns.view },
    clear() {
      columns.clear();
      bytes = 0;
      messages = [];
      acknowledgements = [];
      tallies.clear();
      letters.clear();
      wanted = [];
      wantedIndex.clear();
    },
  };
}
