// CRC-32 variants and the arithmetic that they share. `out` may be null: then nothing is copied.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tercet {

using CrcFunction = uint32_t (*)(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);

uint32_t crc32_scalar(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);
uint32_t crc32_pclmul(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);
uint32_t crc32_avx512(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);
uint32_t crc32_arm(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);

// The register after 16 bytes that stand in place of a longer message congruent to them; no inversion.
uint32_t crc32_reduce(const uint8_t bytes[16]);

constexpr uint32_t crc32_polynomial = 0x04c11db7;  // x^32 is implied

// x^power mod P, mirrored into the 33-bit form that a carry-less product of mirrored operands needs: folding 64 bits
// over a distance of d bits multiplies them by fold_constant(d + 32) or fold_constant(d - 32), which of the two
// depending on the half of the register that they stand in. See Gopal et al. 2009, "Fast CRC Computation for Generic
// Polynomials Using PCLMULQDQ Instruction".
constexpr uint64_t fold_constant(unsigned power) {
  uint32_t remainder = 1;
  for (unsigned i = 0; i < power; i++) {
    remainder = (remainder << 1) ^ ((remainder >> 31) != 0 ? crc32_polynomial : 0);
  }
  uint64_t mirrored = 0;
  for (unsigned bit = 0; bit < 32; bit++) {
    if ((remainder >> bit) & 1) mirrored |= uint64_t{1} << (31 - bit);
  }
  return mirrored << 1;
}

}  // namespace tercet
