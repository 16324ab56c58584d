const TWO_POW_7 = 128;
const TWO_POW_31 = 0x8000_0000;

/** The most bytes of a varint. */
export const VARINT_BYTES = 10;

/**
 * Writes a whole number from 0 on as protobuf and Go's traces do, seven bits a byte, the lowest first.
 *
 * @param bytes has room for {@link VARINT_BYTES} from `position` on
 * @returns the position after it
 */
export function putVarint(bytes: Uint8Array, position: number, value: number): number {
  while (value >= TWO_POW_31) {
    bytes[position++] = (value % TWO_POW_7) | 128; // beyond what bit operations take
    value = Math.floor(value / TWO_POW_7);
  }
  while (value > 127) {
    bytes[position++] = (value & 127) | 128;
    value >>>= 7;
  }
  bytes[position++] = value;
  return position;
}
