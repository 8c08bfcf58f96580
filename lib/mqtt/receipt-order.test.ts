import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createReceiptOrder } from './receipt-order.ts';

it('lets messages go on in the order of receipt, each as soon as it and all before it may', () => {
  const order = fc
    .uniqueArray(fc.nat({ max: 5_000 }), { minLength: 1, maxLength: 300 })
    .map((keys) => keys.map((key, i) => [key, i] as const).sort(([a], [b]) => a - b));
  fc.assert(
    fc.property(order, (releases) => {
      const receipts = createReceiptOrder();
      const gone: number[] = [];
      const free = releases.map((_, i) => receipts.add(() => gone.push(i)));
      const freed = new Set<number>();
      for (const [, i] of releases) {
        free[i]?.();
        freed.add(i);
        let count = 0;
        while (freed.has(count)) count++;
        expect(gone).toEqual(Array.from({ length: count }, (_, n) => n));
        expect(receipts.size).toBe(releases.length - count);
      }
    }),
  );
});

it('holds what is in flight and no more, however many messages went through', () => {
  const receipts = createReceiptOrder();
  const held: (() => void)[] = [];
  let gone = 0;
  let most = 0;
  for (let i = 0; i < 100_000; i++) {
    held.push(receipts.add(() => gone++));
    if (held.length > 3_000) held.shift()?.();
    most = Math.max(most, receipts.size);
  }
  for (const release of held) release();
  expect([gone, most, receipts.size]).toEqual([100_000, 3_000, 0]);
});

it('takes a message in while others are going on', () => {
  const receipts = createReceiptOrder();
  const gone: string[] = [];
  let second = () => {};
  const first = receipts.add(() => {
    gone.push('first');
    second = receipts.add(() => gone.push('second'));
  });
  first();
  second();
  expect([gone, receipts.size]).toEqual([['first', 'second'], 0]);
});
