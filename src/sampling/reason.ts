interface Denied {
  readonly what: string;
  readonly flag: string;
}

/** Permissions of Node's permission model, by their name in errors, or by error code. */
const DENIED: Readonly<Record<string, Denied>> = {
  Inspector: { what: 'the inspector', flag: '--allow-inspector' },
  FileSystemRead: { what: 'reading', flag: '--allow-fs-read' },
  FileSystemWrite: { what: 'writing', flag: '--allow-fs-write' },
  ERR_DLOPEN_DISABLED: { what: 'native addons', flag: '--allow-addons' },
};

/** The used fields of Node's errors. */
interface NodeError extends Partial<Error> {
  readonly code?: string;
  readonly permission?: string;
  readonly resource?: string;
}

/** The reason of an error in one line; if Node's permission model denied access, with the flag that allows it. */
export function reasonOf(error: unknown): string {
  const { code = '', permission = code, resource = '', message = String(error) } = Object(error) as NodeError;
  const denied = 'permission' in process ? DENIED[permission] : undefined; // addons can also be disabled with `--no-addons`
  if (!denied) return firstLine(message);
  const { what, flag } = denied;
  const object = resource.startsWith('/') ? `${what} ${resource}` : what;
  return process.allowedNodeEnvironmentFlags.has(flag)
    ? `Node's permission model denies ${object}: ${flag} allows it`
    : `Node's permission model denies ${object}, and Node ${process.versions.node} has no flag that allows it`;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.replace(/\.? *Tried: *$/, ''); // a list follows
}
