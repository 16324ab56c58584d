declare function spend(
  jobs: readonly { readonly share: number; readonly run: (seed: number) => unknown }[],
): void;
export = spend;
