/** Resolves when `holds` gives something else than false or undefined; the test's own timeout bounds it. */
export async function until<T>(holds: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  for (;;) {
    const value = await holds();
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
