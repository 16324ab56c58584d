/** Held by one caller at a time; others get it in the order in which they asked. */
export class Lock {
  private isHeld = false;
  private readonly waiting: (() => void)[] = [];

  acquire(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isHeld) return this.waiting.push(resolve);
      this.isHeld = true;
      resolve();
    });
  }

  release(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.isHeld = false;
  }
}
