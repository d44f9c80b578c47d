/** Lists of more than one page. */

/** One page of a list. */
export interface Page<Item> {
  data: Item[];
  next_cursor?: string | null;
}

/** Every item of a list; fetches the next page when the loop gets there. */
export async function* items<Item>(fetchPage: (cursor?: string) => Promise<Page<Item>>): AsyncGenerator<Item, void> {
  let cursor: string | undefined;
  do {
    const page: Page<Item> = await fetchPage(cursor);
    yield* page.data;
    const next: string | undefined = page.next_cursor ?? undefined;
    if (next !== undefined && next === cursor) throw new Error("the server repeats a page");
    cursor = next;
  } while (cursor !== undefined);
}
