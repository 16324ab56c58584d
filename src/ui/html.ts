/** Text in an element or in a quoted attribute. */
export function escaped(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

/** A link, with attributes such as ` class="main"`. */
export function link(href: string, label: string, attributes = ''): string {
  return `<a${attributes} href="${escaped(href)}">${escaped(label)}</a>`;
}
