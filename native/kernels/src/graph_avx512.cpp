// The graph kernels with AVX-512 and its byte products (VNNI).
#include <immintrin.h>

#include "graph.h"

namespace {

struct Ops {
  static __m512i bytes(const void *from) { return _mm512_loadu_si512(from); }

  static int32_t dot_u8s8(const uint8_t *a, const int8_t *b, size_t count) {
    __m512i x = _mm512_setzero_si512();
    __m512i y = _mm512_setzero_si512();
    size_t at = 0;
    for (; at + 128 <= count; at += 128) {
      x = _mm512_dpbusd_epi32(x, bytes(a + at), bytes(b + at));
      y = _mm512_dpbusd_epi32(y, bytes(a + at + 64), bytes(b + at + 64));
    }
    if (at < count) x = _mm512_dpbusd_epi32(x, bytes(a + at), bytes(b + at));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(x, y));
  }

  static int32_t dot_u4s8(const uint8_t *a, const int8_t *b, size_t count) {
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i x = _mm512_setzero_si512();
    __m512i y = _mm512_setzero_si512();
    size_t at = 0;
    for (; at + 128 <= count; at += 128) {
      const __m512i packed = bytes(a + at / 2);
      x = _mm512_dpbusd_epi32(x, _mm512_and_si512(packed, mask), bytes(b + at));
      y = _mm512_dpbusd_epi32(y, _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask), bytes(b + at + 64));
    }
    if (at < count) x = _mm512_dpbusd_epi32(x, last_u4(a + at / 2), bytes(b + at));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(x, y));
  }

  /** The 64 codes of the last 32 bytes. */
  static __m512i last_u4(const uint8_t *a) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(a));
    const __m256i low = _mm256_and_si256(packed, mask);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), mask);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }

  /** b as b - 128, and 128 times the sum of a on top. */
  static int32_t dot_u8u8(const uint8_t *a, const uint8_t *b, size_t count) {
    const __m512i shift = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i dot = _mm512_setzero_si512();
    __m512i sum = _mm512_setzero_si512();
    for (size_t at = 0; at < count; at += 64) {
      const __m512i x = bytes(a + at);
      dot = _mm512_dpbusd_epi32(dot, x, _mm512_xor_si512(bytes(b + at), shift));
      sum = _mm512_dpbusd_epi32(sum, x, ones);
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(dot, _mm512_slli_epi32(sum, 7)));
  }

  static __m512 floats(__m128i codes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)); }

  static float dot_u8f32(const uint8_t *a, const float *b, size_t count) {
    __m512 x = _mm512_setzero_ps();
    __m512 y = _mm512_setzero_ps();
    for (size_t at = 0; at < count; at += 32) {
      const __m128i *codes = reinterpret_cast<const __m128i *>(a + at);
      x = _mm512_fmadd_ps(floats(_mm_loadu_si128(codes)), _mm512_loadu_ps(b + at), x);
      y = _mm512_fmadd_ps(floats(_mm_loadu_si128(codes + 1)), _mm512_loadu_ps(b + at + 16), y);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(x, y));
  }

  static float dot_u4f32(const uint8_t *a, const float *b, size_t count) {
    const __m128i mask = _mm_set1_epi8(15);
    __m512 x = _mm512_setzero_ps();
    __m512 y = _mm512_setzero_ps();
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < half; i += 16) {
        const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(a + at / 2 + i));
        const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), mask);
        x = _mm512_fmadd_ps(floats(_mm_and_si128(packed, mask)), _mm512_loadu_ps(b + at + i), x);
        y = _mm512_fmadd_ps(floats(high), _mm512_loadu_ps(b + at + half + i), y);
      }
      at += 2 * half;
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(x, y));
  }

  static float dot_u2f32(const uint8_t *a, const float *b, size_t count) {
    const __m128i mask = _mm_set1_epi8(3);
    __m512 x = _mm512_setzero_ps();
    __m512 y = _mm512_setzero_ps();
    for (size_t at = 0; at < count; at += 64) {
      const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(a + at / 4));
      const auto codes = [&](int shift) { return floats(_mm_and_si128(_mm_srli_epi16(packed, shift), mask)); };
      x = _mm512_fmadd_ps(codes(0), _mm512_loadu_ps(b + at), x);
      y = _mm512_fmadd_ps(codes(2), _mm512_loadu_ps(b + at + 16), y);
      x = _mm512_fmadd_ps(codes(4), _mm512_loadu_ps(b + at + 32), x);
      y = _mm512_fmadd_ps(codes(6), _mm512_loadu_ps(b + at + 48), y);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(x, y));
  }

  static void unpack(const uint8_t *high, const uint8_t *low, uint8_t *out, size_t count) {
    const __m256i mask = _mm256_set1_epi8(15);
    const auto half_of = [&](const uint8_t *from, bool upper) {
      const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
      return _mm256_and_si256(upper ? _mm256_srli_epi16(packed, 4) : packed, mask);
    };
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < 2 * half; i += 32) {
        const size_t from = at / 2 + i % half;
        __m256i codes = half_of(high + from, i >= half);
        if (low != nullptr) codes = _mm256_or_si256(_mm256_slli_epi16(codes, 4), half_of(low + from, i >= half));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + at + i), codes);
      }
      at += 2 * half;
    }
  }

  static __m512 load(const float *from) { return _mm512_loadu_ps(from); }
  static __m512 load(const uint16_t *from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)));
  }

  template <class A, class B>
  static float dot(const A *a, const B *b, size_t count) {
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t at = 0; at < count; at += 64) {
      s0 = _mm512_fmadd_ps(load(a + at), load(b + at), s0);
      s1 = _mm512_fmadd_ps(load(a + at + 16), load(b + at + 16), s1);
      s2 = _mm512_fmadd_ps(load(a + at + 32), load(b + at + 32), s2);
      s3 = _mm512_fmadd_ps(load(a + at + 48), load(b + at + 48), s3);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }

  template <class A, class B>
  static __m512 square(const A *a, const B *b, __m512 sum) {
    const __m512 apart = _mm512_sub_ps(load(a), load(b));
    return _mm512_fmadd_ps(apart, apart, sum);
  }

  template <class A, class B>
  static float l2(const A *a, const B *b, size_t count) {
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t at = 0; at < count; at += 64) {
      s0 = square(a + at, b + at, s0);
      s1 = square(a + at + 16, b + at + 16, s1);
      s2 = square(a + at + 32, b + at + 32, s2);
      s3 = square(a + at + 48, b + at + 48, s3);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }

  static float dot_f32(const float *a, const float *b, size_t count) { return dot(a, b, count); }
  static float dot_f16(const float *a, const uint16_t *b, size_t count) { return dot(a, b, count); }
  static float dot_f16_f16(const uint16_t *a, const uint16_t *b, size_t count) { return dot(a, b, count); }
  static float l2_f32(const float *a, const float *b, size_t count) { return l2(a, b, count); }
  static float l2_f16(const float *a, const uint16_t *b, size_t count) { return l2(a, b, count); }
  static float l2_f16_f16(const uint16_t *a, const uint16_t *b, size_t count) { return l2(a, b, count); }
};

#include "graph_kernel.h"

}  // namespace

namespace tercet {
const GraphVariant graph_avx512 = variant_of<Ops>("avx512-vnni");
}
