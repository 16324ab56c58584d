import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { CustomProfile, InjectProfile } from 'nestjs-pprof';

/** A database that is none. */
export class Connection {
  /** The order of that number: there are three. */
  async order(id: number): Promise<{ id: number; item: string } | undefined> {
    await setImmediate();
    const item = ['a tin of tuna', 'a ball of wool', 'a box'][id - 1];
    return item === undefined ? undefined : { id, item };
  }
}

/** Each connection is in the profile `db_connections` from when it is taken to when it is given back. */
@Injectable()
export class DatabasePool {
  constructor(@InjectProfile('db_connections') private readonly taken: CustomProfile) {}

  async take(): Promise<Connection> {
    const connection = new Connection();
    this.taken.add(connection); // here, while the callers are on the stack
    await setImmediate();
    return connection;
  }

  giveBack(connection: Connection): void {
    this.taken.remove(connection);
  }
}
