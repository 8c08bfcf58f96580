// Reads what another server answers, and no more of it than may be read: what it says of its length is not relied on.

/**
 * The whole body.
 * @throws Error where it is larger than `bytesMax`; what is left of it is not received.
 */
export async function readBody(response: Response, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop ends the transfer.
    if (bytes > bytesMax) throw new Error(`it is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
