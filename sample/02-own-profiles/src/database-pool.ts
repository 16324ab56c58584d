import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { CustomProfile, InjectProfile } from 'nestjs-pprof';

const ITEMS = ['a tin of tuna', 'a ball of wool', 'a box'];

export interface Order {
  readonly id: number;
  readonly item: string;
}

/** Stands for a connection to a database. */
export class Connection {
  async order(id: number): Promise<Order | undefined> {
    await setImmediate();
    const item = ITEMS[id - 1];
    return item === undefined ? undefined : { id, item };
  }
}

/** Each connection is in the profile `db_connections` while it is open. */
@Injectable()
export class DatabasePool {
  constructor(@InjectProfile('db_connections') private readonly connections: CustomProfile) {}

  async open(): Promise<Connection> {
    const connection = new Connection();
    this.connections.add(connection);
    await setImmediate();
    return connection;
  }

  close(connection: Connection): void {
    this.connections.remove(connection);
  }
}
