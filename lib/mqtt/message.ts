// What an MQTT source gives to the ingester, whichever source it is.

/** A PUBLISH as it came in. The payload is not copied: it is the receiver's to keep until it acknowledges. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** µs since 1970 UTC, taken when the packet was parsed. */
  readonly receivedUs: number;
  /** The sender says that it may have sent this packet before. */
  readonly dup: boolean;
  /** MQTT 5 content type. */
  readonly contentType?: string;
  /** MQTT 5 user properties; the last of several with one name. */
  readonly userProperties?: Readonly<Record<string, string>>;
  /** Who published it, where the source knows (the embedded broker does). */
  readonly publisher?: { readonly clientId: string; readonly tenant: string | undefined };
}

/**
 * Takes a message. `acknowledge` is called once, after the message's readings are committed; it never throws and may be
 * called after the connection has gone (it then does nothing). A returned promise asks the source to read nothing more
 * from that connection until it settles: that is how a full pipeline sets the pace.
 */
export type MessageHandler = (
  message: InboundMessage,
  acknowledge: () => void,
) => Promise<void> | undefined;
