import { Injectable } from '@nestjs/common';

@Injectable()
export class Mailer {
  private readonly queue: { readonly address: string; readonly sent: () => void }[] = [];

  /** Leaks: of an address that is not valid, the mail is not queued, and its promise stays pending for ever. */
  send(address: string): Promise<void> {
    return new Promise((resolve) => {
      if (!address.includes('@')) return;
      this.queue.push({ address, sent: resolve });
      setImmediate(() => this.queue.shift()!.sent());
    });
  }
}
