// The order in which a connection's messages came. Those of several tenants are committed in another one, yet their
// acknowledgements have to leave in the order of receipt (MQTT 3.1.1 clause 4.6).

export interface ReceiptOrder {
  /**
   * Notes a message behind those before it. The function that it gives says that the message may go on; `goOn` is
   * called as soon as that holds for it and for all before it.
   */
  add(goOn: () => void): () => void;
  /** Messages that have not gone on. */
  readonly size: number;
}

interface Place {
  /** Taken away when the message has gone on: a source may keep the function that releases it. */
  goOn: (() => void) | undefined;
  free: boolean;
}

/** Places that have gone on and are kept until it pays to move the others: a shift of a long array costs its length. */
const GONE_MAX = 1_024;

/** Makes the order of one connection. It holds as much as the connection has in flight. */
export function createReceiptOrder(): ReceiptOrder {
  let places: Place[] = [];
  let head = 0;

  function release(place: Place): void {
    place.free = true;
    for (let first = places[head]; first?.free === true; first = places[head]) {
      head++;
      const { goOn } = first;
      first.goOn = undefined;
      goOn?.();
    }
    if (head === places.length) {
      places = [];
      head = 0;
    } else if (head >= GONE_MAX && head * 2 > places.length) {
      places = places.slice(head);
      head = 0;
    }
  }

  return {
    add(goOn) {
      const place: Place = { goOn, free: false };
      places.push(place);
      return () => release(place);
    },
    get size() {
      return places.length - head;
    },
  };
}
