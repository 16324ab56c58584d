import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Lock } from './lock.js';

@Injectable()
export class PaymentsService {
  /** One payment at a time may change the balance. */
  private readonly lock = new Lock();
  private balance = 0;

  /** Is slow: it keeps the lock while the bank replies, which needs no lock. */
  async pay(cents: number): Promise<number> {
    await this.lock.acquire();
    try {
      await setTimeout(100); // the bank replies
      this.balance += cents;
      return this.balance;
    } finally {
      this.lock.release();
    }
  }
}
