interface Denied {
  readonly what: string;
  readonly flag: string;
}

/** What Node's permission model denies, by its name in errors, or their code. */
const DENIED: Readonly<Record<string, Denied>> = {
  Inspector: { what: 'the inspector', flag: '--allow-inspector' },
  FileSystemRead: { what: 'reading', flag: '--allow-fs-read' },
  FileSystemWrite: { what: 'writing', flag: '--allow-fs-write' },
  ERR_DLOPEN_DISABLED: { what: 'native addons', flag: '--allow-addons' },
};

/** What an error of Node is about. */
interface NodeError extends Partial<Error> {
  readonly code?: string;
  readonly permission?: string;
  readonly resource?: string;
}

/** Why something failed, in one line; if Node's permission model denied it, with the flag that allows it. */
export function reasonOf(error: unknown): string {
  const { code = '', permission = code, resource = '', message = String(error) } = Object(error) as NodeError;
  const denied = 'permission' in process ? DENIED[permission] : undefined; // addons have a flag `--no-addons` too
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
