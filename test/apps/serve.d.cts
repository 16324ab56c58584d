export interface WorkloadApplication {
  getUrl(): Promise<string>;
}

export function serve(
  library: object,
  handlers: Readonly<Record<string, () => unknown>>,
  options?: object,
): Promise<WorkloadApplication>;

export function announce(...apps: readonly WorkloadApplication[]): Promise<void>;
