import { describe, expect, it } from 'vitest';
import { createPayloadDecoder } from '../decode/decode.ts';
import type { Fault, ReadingSink } from '../decode/sink.ts';
import type { TopicTarget } from '../topics/target.ts';
import { surveyPayload, type WrittenSeries } from './survey.ts';

const NOW_US = Date.UTC(2026, 5, 1) * 1_000;
const FAULT: Fault = { code: 'value_nested', reason: 'first' };

/** Looks through what a decoder gives; also tells which series were asked about. */
function survey(
  decode: (sink: ReadingSink) => Fault | undefined,
  target: Partial<TopicTarget> = {},
  mayWrite: (series: WrittenSeries) => boolean = () => true,
) {
  const asked: WrittenSeries[] = [];
  const found = surveyPayload(
    (_context, sink) => decode(sink),
    { tenant: 'acme', asset: 'rig', channel: 'mud', labels: {}, ...target },
    NOW_US,
    (series) => {
      asked.push(series);
      return mayWrite(series);
    },
  );
  return { found, asked };
}

describe('a survey', () => {
  it('asks about each series once, by channel and labels', () => {
    const { found, asked } = survey(
      (sink) => {
        for (let i = 0; i < 3; i++) {
          sink.labelled('', () => ({}));
          sink.number('', NOW_US, 1, 0);
          sink.state('p', NOW_US, 'on', 0);
          sink.labelled('site=north', () => ({ site: 'north', from: 'payload' }));
          sink.number('p', NOW_US, 1, 0);
        }
        return undefined;
      },
      { labels: { from: 'topic' } },
    );
    expect(found).toEqual({ kind: 'readable', accepted: 9, ignored: 0, faults: [] });
    const of = { tenant: 'acme', asset: 'rig' };
    expect(asked).toEqual([
      { ...of, channel: 'mud', labels: { from: 'topic' } },
      { ...of, channel: 'mud/p', labels: { from: 'topic' } },
      { ...of, channel: 'mud/p', labels: { from: 'topic', site: 'north' } },
    ]);
  });

  it('names the first series that is refused, though others are allowed', () => {
    const { found, asked } = survey(
      (sink) => {
        for (const key of ['a', 'b', 'c', 'd']) sink.number(key, NOW_US, 1, 0);
        return undefined;
      },
      {},
      ({ channel }) => channel !== 'mud/b' && channel !== 'mud/c',
    );
    expect(found).toMatchObject({ kind: 'refused', series: { channel: 'mud/b' } });
    expect(asked.map(({ channel }) => channel)).toEqual(['mud/a', 'mud/b']);
  });

  it('counts what is wrong by its code, with the reason of the first', () => {
    const { found } = survey((sink) => {
      sink.number('a', NOW_US, 1, 0);
      sink.fault(FAULT);
      sink.fault({ ...FAULT, reason: 'second' });
      sink.number('b+c', NOW_US, 1, 0);
      sink.number('b+c', NOW_US, 1, 0);
      sink.ignored();
      return undefined;
    });
    expect(found).toMatchObject({
      ...{ kind: 'readable', accepted: 1, ignored: 1 },
      faults: [
        { ...FAULT, count: 2 },
        { code: 'topic_invalid', count: 2 },
      ],
    });
  });

  it.each([
    ['nothing can be read', () => FAULT],
    ['nothing that is read can be kept', (sink: ReadingSink) => void sink.fault(FAULT)],
  ])('is unreadable where %s', (_what, decode) => {
    const { found } = survey((sink) => decode(sink) ?? undefined);
    expect(found).toEqual({ kind: 'unreadable', fault: FAULT });
  });

  it('is readable where all is NaN: that is received, and no reading', () => {
    const { found } = survey((sink) => void sink.ignored());
    expect(found).toEqual({ kind: 'readable', accepted: 0, ignored: 1, faults: [] });
  });

  it('has no place for a reading without channel and key', () => {
    const { found, asked } = survey(
      (sink) => {
        sink.number('', NOW_US, 1, 0);
        sink.number('a', NOW_US, 1, 0);
        return undefined;
      },
      { channel: '' },
    );
    expect(found).toMatchObject({ accepted: 1, faults: [{ code: 'channel_missing', count: 1 }] });
    expect(asked.map(({ channel }) => channel)).toEqual(['a']);
  });

  it('asks about what is too far ahead here, and may not be so for who ingests it a second later', () => {
    const decode = createPayloadDecoder();
    const aheadMs = NOW_US / 1_000 + 86_400_000 + 1;
    const target = { tenant: 'acme', asset: 'rig', channel: '', labels: {} };
    for (const text of [
      `[{"ts":${NOW_US},"mine":1},{"ts":${aheadMs},"secret":42}]`,
      `{"ts":[${NOW_US},${aheadMs}],"secret":[null,42],"mine":1}`,
      `time,mine,secret\n${NOW_US},1,\n${aheadMs},,42\n`,
      `x mine=1\nx secret=42 ${aheadMs}000000`,
    ]) {
      const payload = Buffer.from(text);
      const ingested = new Set<string>();
      const see = (key: string) => void ingested.add(key);
      const later = { receivedUs: NOW_US + 1e6, defaultTimeUs: NOW_US + 1e6, ...target };
      const none = () => {};
      const sink = { number: see, state: see, ignored: none, fault: none, labelled: none };
      decode({ payload }, later, sink);
      const asked: string[] = [];
      const look = (mayWrite: (channel: string) => boolean) =>
        surveyPayload(
          (context, into) => decode({ payload }, context, into),
          target,
          NOW_US,
          ({ channel }) => asked.push(channel) > 0 && mayWrite(channel),
        );
      expect(look(() => true)).toMatchObject({ faults: [{ code: 'time_out_of_range' }] });
      expect(asked.sort()).toEqual([...ingested].sort());
      expect(look((channel) => !channel.endsWith('secret'))).toMatchObject({ kind: 'refused' });
    }
  });
});
