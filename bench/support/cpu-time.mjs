/** Commands of a child that serves: where, and how much CPU time its whole process takes. */
export async function cpuTimeCommands(app, path) {
  const url = (await app.getUrl()) + path;
  let before;
  return {
    url: () => url,
    begin() {
      before = process.cpuUsage();
    },
    /** Since `begin`, in microseconds. */
    end() {
      const { user, system } = process.cpuUsage(before);
      return user + system;
    },
  };
}
