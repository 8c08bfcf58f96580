// Finds the borders of MQTT packets in a byte stream without parsing the packets: a fixed header says a packet's type
// and how many bytes follow (MQTT 3.1.1 clause 2.2, the same in 5).

export const PACKET_TYPE_PUBACK = 4;

/** Why a stream cannot be read on. */
export type ScanFault = 'packet_too_large' | 'malformed_length';

export interface PacketScanner {
  /**
   * Reads the next bytes of the stream and calls `stretch` for each run of bytes that belongs to one packet:
   * `chunk[start, end)` is all of a packet, or the part of it that this chunk holds. Gives back why reading must end,
   * if it must; the scanner is of no use afterwards.
   */
  scan(
    chunk: Uint8Array,
    stretch?: (packetType: number, start: number, end: number) => void,
  ): ScanFault | undefined;
}

/** Makes a scanner at a packet's border. `bodyBytesMax` bounds what a fixed header may announce. */
export function createPacketScanner(bodyBytesMax = 268_435_455): PacketScanner {
  let phase: 'type' | 'length' | 'body' = 'type';
  let packetType = 0;
  let remaining = 0;
  let shift = 0;

  /** Takes one byte of a remaining length: seven bits, the lowest first, the eighth says that more follow. */
  function takeLengthByte(byte: number): ScanFault | undefined {
    if (shift > 21) return 'malformed_length';
    remaining += (byte & 0x7f) << shift;
    shift += 7;
    if (byte & 0x80) return undefined;
    if (remaining > bodyBytesMax) return 'packet_too_large';
    phase = remaining === 0 ? 'type' : 'body';
    return undefined;
  }

  return {
    scan(chunk, stretch) {
      let start = 0;
      let at = 0;
      while (at < chunk.length) {
        if (phase === 'body') {
          const taken = Math.min(remaining, chunk.length - at);
          at += taken;
          remaining -= taken;
          if (remaining === 0) phase = 'type';
        } else if (phase === 'type') {
          start = at;
          packetType = (chunk[at++] as number) >> 4;
          remaining = 0;
          shift = 0;
          phase = 'length';
        } else {
          const fault = takeLengthByte(chunk[at++] as number);
          if (fault !== undefined) return fault;
        }
        if (stretch !== undefined && (phase === 'type' || at === chunk.length)) {
          stretch(packetType, start, at);
        }
      }
      return undefined;
    },
  };
}
