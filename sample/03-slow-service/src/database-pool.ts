import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { TraceRegion } from 'nestjs-pprof';

/** Of the database. Two are too few. */
const CONNECTIONS = 2;

export interface Order {
  readonly id: number;
  readonly customer: number;
  readonly cents: number;
}

/** Stands for a connection to a database. */
class Connection {
  @TraceRegion('query')
  async order(id: number): Promise<Order> {
    await setTimeout(50); // the database replies
    return { id, customer: id % 10, cents: id * 100 };
  }
}

@Injectable()
export class DatabasePool {
  private readonly free = Array.from({ length: CONNECTIONS }, () => new Connection());
  private readonly waiting: ((connection: Connection) => void)[] = [];

  /** Does some work with a connection, as soon as one is free. */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.free.pop() ?? (await this.nextFree());
    try {
      return await work(connection);
    } finally {
      this.release(connection);
    }
  }

  private nextFree(): Promise<Connection> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private release(connection: Connection): void {
    const next = this.waiting.shift();
    if (next) next(connection);
    else this.free.push(connection);
  }
}
