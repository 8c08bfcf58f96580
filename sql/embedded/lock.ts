// placeholder
export async function lockDirectory(_directory: string): Promise<{ release(): Promise<void> }> {
  return { release: async () => undefined };
}
