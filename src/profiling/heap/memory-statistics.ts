import { getHeapStatistics } from 'node:v8';

/**
 * The end of a heap profile in Go's text format: Node's memory statistics, under Go's names where Go has one, otherwise under
 * Node's.
 *
 * @see https://pkg.go.dev/runtime#MemStats
 */
export function memoryStatistics(): string[] {
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const heap = getHeapStatistics();
  const inGo = {
    Alloc: heapUsed,
    Sys: rss,
    HeapAlloc: heapUsed,
    HeapSys: heap.total_heap_size,
    HeapIdle: heap.total_heap_size - heapUsed,
    HeapInuse: heap.total_physical_size,
    MaxRSS: process.resourceUsage().maxRSS * 1024,
  };
  const inNode = {
    'memoryUsage.external': external,
    'memoryUsage.arrayBuffers': arrayBuffers,
    ...Object.fromEntries(Object.entries(heap).map(([name, value]) => [`v8.${name}`, value])),
  };
  const { MaxRSS, ...others } = inGo;
  return ['# runtime.MemStats', ...lines(others), ...lines(inNode), ...lines({ MaxRSS })];
}

function lines(figures: object): string[] {
  return Object.entries(figures).map(([name, value]) => `# ${name} = ${value}`);
}
