// CRC-32 with the instructions of ARMv8: eight bytes each.
#include <arm_acle.h>

#include <cstring>

#include "crc32.h"

namespace tercet {

uint32_t crc32_arm(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  uint32_t crc = ~seed;
  size_t at = 0;
  uint64_t word;
  for (; at + 8 <= count; at += 8) {
    std::memcpy(&word, source + at, 8);
    if (out != nullptr) std::memcpy(out + at, &word, 8);
    crc = __crc32d(crc, word);
  }
  for (; at < count; at++) {
    const uint8_t byte = source[at];
    if (out != nullptr) out[at] = byte;
    crc = __crc32b(crc, byte);
  }
  return ~crc;
}

}  // namespace tercet
