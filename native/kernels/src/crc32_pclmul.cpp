// CRC-32 by folding with carry-less multiplication: four registers of 16 bytes, each carried over a distance of 64
// bytes.
#include <immintrin.h>

#include "crc32.h"

namespace tercet {
namespace {

template <unsigned Bits>
__m128i fold(__m128i value, __m128i next) {
  const __m128i k = _mm_set_epi64x(fold_constant(Bits - 32), fold_constant(Bits + 32));
  const __m128i low = _mm_clmulepi64_si128(value, k, 0x00);
  const __m128i high = _mm_clmulepi64_si128(value, k, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

template <bool Copy>
__m128i take(uint8_t *out, const uint8_t *source, size_t at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(source + at));
  if constexpr (Copy) _mm_storeu_si128(reinterpret_cast<__m128i *>(out + at), bytes);
  return bytes;
}

template <bool Copy>
uint32_t run(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  __m128i x0 = _mm_xor_si128(take<Copy>(out, source, 0), _mm_cvtsi32_si128(static_cast<int>(~seed)));
  __m128i x1 = take<Copy>(out, source, 16);
  __m128i x2 = take<Copy>(out, source, 32);
  __m128i x3 = take<Copy>(out, source, 48);
  size_t at = 64;
  for (; at + 64 <= count; at += 64) {
    x0 = fold<512>(x0, take<Copy>(out, source, at));
    x1 = fold<512>(x1, take<Copy>(out, source, at + 16));
    x2 = fold<512>(x2, take<Copy>(out, source, at + 32));
    x3 = fold<512>(x3, take<Copy>(out, source, at + 48));
  }
  x0 = fold<128>(fold<128>(fold<128>(x0, x1), x2), x3);
  for (; at + 16 <= count; at += 16) x0 = fold<128>(x0, take<Copy>(out, source, at));
  alignas(16) uint8_t rest[16];
  _mm_store_si128(reinterpret_cast<__m128i *>(rest), x0);
  return crc32_scalar(Copy ? out + at : nullptr, source + at, count - at, ~crc32_reduce(rest));
}

}  // namespace

uint32_t crc32_pclmul(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  if (count < 64) return crc32_scalar(out, source, count, seed);
  return out == nullptr ? run<false>(out, source, count, seed) : run<true>(out, source, count, seed);
}

}  // namespace tercet
