/** Strings, each once, by number. */
export class Interner {
  readonly all: string[] = [];
  private readonly ids = new Map<string, number>();

  idOf(text: string): number {
    let id = this.ids.get(text);
    if (id === undefined) {
      id = this.all.push(text) - 1;
      this.ids.set(text, id);
    }
    return id;
  }
}
