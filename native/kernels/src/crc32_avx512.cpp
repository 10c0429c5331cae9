// The same folding in registers of 64 bytes: four of them, each carried over a distance of 256 bytes.
#include <immintrin.h>

#include "crc32.h"

namespace tercet {
namespace {

constexpr size_t block = 256;
// From here on a copy goes past the caches: a tensor of this size would push out what the cores work on, and writing
// through them first reads what is about to be overwritten.
constexpr size_t stream_from = size_t{1} << 19;

enum class Mode { sum, copy, stream };

template <unsigned Bits>
__m512i constants() {
  return _mm512_broadcast_i32x4(_mm_set_epi64x(fold_constant(Bits - 32), fold_constant(Bits + 32)));
}

__m512i fold(__m512i value, __m512i next, __m512i k) {
  const __m512i low = _mm512_clmulepi64_epi128(value, k, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(value, k, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, 0x96);
}

__m128i fold16(__m128i value, __m128i next) {
  const __m128i k = _mm_set_epi64x(fold_constant(128 - 32), fold_constant(128 + 32));
  return _mm_ternarylogic_epi64(_mm_clmulepi64_si128(value, k, 0x00), _mm_clmulepi64_si128(value, k, 0x11), next, 0x96);
}

template <Mode M>
__m512i take(uint8_t *out, const uint8_t *source, size_t at) {
  const __m512i bytes = _mm512_loadu_si512(source + at);
  if constexpr (M == Mode::copy) _mm512_storeu_si512(out + at, bytes);
  if constexpr (M == Mode::stream) _mm512_stream_si512(reinterpret_cast<__m512i *>(out + at), bytes);
  return bytes;
}

/** `count` ≥ 256; in stream mode `out` is aligned to 64. */
template <Mode M>
uint32_t run(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  const __m512i first = _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(~seed)));
  __m512i x0 = _mm512_xor_si512(take<M>(out, source, 0), first);
  __m512i x1 = take<M>(out, source, 64);
  __m512i x2 = take<M>(out, source, 128);
  __m512i x3 = take<M>(out, source, 192);
  const __m512i far = constants<2048>();
  size_t at = block;
  for (; at + block <= count; at += block) {
    x0 = fold(x0, take<M>(out, source, at), far);
    x1 = fold(x1, take<M>(out, source, at + 64), far);
    x2 = fold(x2, take<M>(out, source, at + 128), far);
    x3 = fold(x3, take<M>(out, source, at + 192), far);
  }
  const __m512i near = constants<512>();
  x0 = fold(fold(fold(x0, x1, near), x2, near), x3, near);
  for (; at + 64 <= count; at += 64) x0 = fold(x0, take<M>(out, source, at), near);
  __m128i x = _mm512_castsi512_si128(x0);
  x = fold16(x, _mm512_extracti32x4_epi32(x0, 1));
  x = fold16(x, _mm512_extracti32x4_epi32(x0, 2));
  x = fold16(x, _mm512_extracti32x4_epi32(x0, 3));
  if constexpr (M == Mode::stream) _mm_sfence();
  alignas(16) uint8_t rest[16];
  _mm_store_si128(reinterpret_cast<__m128i *>(rest), x);
  return crc32_scalar(M == Mode::sum ? nullptr : out + at, source + at, count - at, ~crc32_reduce(rest));
}

}  // namespace

uint32_t crc32_avx512(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  if (count < block) return crc32_pclmul(out, source, count, seed);
  if (out == nullptr) return run<Mode::sum>(out, source, count, seed);
  if (count < stream_from) return run<Mode::copy>(out, source, count, seed);
  const size_t head = (64 - reinterpret_cast<uintptr_t>(out) % 64) % 64;
  seed = crc32_scalar(out, source, head, seed);
  return run<Mode::stream>(out + head, source + head, count - head, seed);
}

}  // namespace tercet
