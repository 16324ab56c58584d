export interface WorkloadApplication {
  get<T>(token: unknown): T;
  getUrl(): Promise<string>;
}

export function serve(
  library: object,
  handlers: Readonly<Record<string, () => unknown>>,
  options?: object,
  more?: { readonly imports?: readonly object[]; readonly providers?: readonly object[] },
): Promise<WorkloadApplication>;

export function announce(...apps: readonly WorkloadApplication[]): Promise<void>;

export function pprofOptions(): object;
