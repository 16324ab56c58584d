/** For how long, in ms, the main thread was ready to run and the machine ran something else; 0 where it does not tell. */
declare function preemptedMs(): number;
export = preemptedMs;
