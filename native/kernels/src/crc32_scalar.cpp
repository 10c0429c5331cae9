// Slicing by eight: the twin of every SIMD variant, and what runs where there is none.
// See Kounavis & Berry 2008, "Novel Table Lookup-Based Algorithms for High-Performance CRC Generation".
#include <cstring>

#include "crc32.h"

namespace tercet {
namespace {

struct Tables {
  uint32_t at[8][256];
};

constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
    tables.at[0][byte] = crc;
  }
  for (int slice = 1; slice < 8; slice++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      const uint32_t before = tables.at[slice - 1][byte];
      tables.at[slice][byte] = (before >> 8) ^ tables.at[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();

uint32_t step8(uint32_t crc, const uint8_t *b) {
  const auto &t = tables.at;
  return t[7][(crc ^ b[0]) & 0xff] ^ t[6][((crc >> 8) ^ b[1]) & 0xff] ^ t[5][((crc >> 16) ^ b[2]) & 0xff] ^
         t[4][((crc >> 24) ^ b[3]) & 0xff] ^ t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]];
}

}  // namespace

uint32_t crc32_scalar(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  uint32_t crc = ~seed;
  size_t at = 0;
  uint8_t block[8];
  for (; at + 8 <= count; at += 8) {
    std::memcpy(block, source + at, 8);
    if (out != nullptr) std::memcpy(out + at, block, 8);
    crc = step8(crc, block);
  }
  for (; at < count; at++) {
    const uint8_t byte = source[at];
    if (out != nullptr) out[at] = byte;
    crc = (crc >> 8) ^ tables.at[0][(crc ^ byte) & 0xff];
  }
  return ~crc;
}

uint32_t crc32_reduce(const uint8_t bytes[16]) { return step8(step8(0, bytes), bytes + 8); }

}  // namespace tercet
