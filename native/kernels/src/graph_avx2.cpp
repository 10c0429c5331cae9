// The graph kernels with AVX2, FMA and F16C.
#include <immintrin.h>

#include "graph.h"

namespace {

struct Ops {
  static __m256i bytes(const void *from) { return _mm256_loadu_si256(static_cast<const __m256i *>(from)); }

  static int32_t total(__m256i lanes) {
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
  }

  static float total(__m256 lanes) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

  static __m128i sixteen(const void *from) { return _mm_loadu_si128(static_cast<const __m128i *>(from)); }

  /** Products in 16 bits could overflow when pairs are added: they are widened first. */
  static int32_t dot_u8s8(const uint8_t *a, const int8_t *b, size_t count) {
    __m256i sum = _mm256_setzero_si256();
    for (size_t at = 0; at < count; at += 16) {
      const __m256i x = _mm256_cvtepu8_epi16(sixteen(a + at));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(sixteen(b + at))));
    }
    return total(sum);
  }

  static int32_t dot_u8u8(const uint8_t *a, const uint8_t *b, size_t count) {
    __m256i sum = _mm256_setzero_si256();
    for (size_t at = 0; at < count; at += 16) {
      const __m256i x = _mm256_cvtepu8_epi16(sixteen(a + at));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, _mm256_cvtepu8_epi16(sixteen(b + at))));
    }
    return total(sum);
  }

  /** Codes of 32 bytes: of their low or of their high halves. */
  static __m256i half_of(const uint8_t *from, bool upper) {
    const __m256i packed = bytes(from);
    return _mm256_and_si256(upper ? _mm256_srli_epi16(packed, 4) : packed, _mm256_set1_epi8(15));
  }

  /** Sums of two products of 4 and 8 bits fit into 16. */
  static int32_t dot_u4s8(const uint8_t *a, const int8_t *b, size_t count) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < 2 * half; i += 32) {
        const __m256i pairs = _mm256_maddubs_epi16(half_of(a + at / 2 + i % half, i >= half), bytes(b + at + i));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      }
      at += 2 * half;
    }
    return total(sum);
  }

  static __m256 floats(const uint8_t *codes) {
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(codes));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
  }

  static float dot_u8f32(const uint8_t *a, const float *b, size_t count) {
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < count; at += 8) sum = _mm256_fmadd_ps(floats(a + at), _mm256_loadu_ps(b + at), sum);
    return total(sum);
  }

  static float dot_u4f32(const uint8_t *a, const float *b, size_t count) {
    __m256 sum = _mm256_setzero_ps();
    alignas(32) uint8_t codes[32];
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < 2 * half; i += 32) {
        _mm256_store_si256(reinterpret_cast<__m256i *>(codes), half_of(a + at / 2 + i % half, i >= half));
        for (size_t j = 0; j < 32; j += 8) {
          sum = _mm256_fmadd_ps(floats(codes + j), _mm256_loadu_ps(b + at + i + j), sum);
        }
      }
      at += 2 * half;
    }
    return total(sum);
  }

  static float dot_u2f32(const uint8_t *a, const float *b, size_t count) {
    const __m128i mask = _mm_set1_epi8(3);
    __m256 sum = _mm256_setzero_ps();
    alignas(16) uint8_t codes[16];
    for (size_t at = 0; at < count; at += 16) {
      const __m128i shifted = _mm_srli_epi16(sixteen(a + at / 64 * 16), static_cast<int>(at % 64 / 16 * 2));
      _mm_store_si128(reinterpret_cast<__m128i *>(codes), _mm_and_si128(shifted, mask));
      sum = _mm256_fmadd_ps(floats(codes), _mm256_loadu_ps(b + at), sum);
      sum = _mm256_fmadd_ps(floats(codes + 8), _mm256_loadu_ps(b + at + 8), sum);
    }
    return total(sum);
  }

  static void unpack(const uint8_t *high, const uint8_t *low, uint8_t *out, size_t count) {
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

  static __m256 load(const float *from) { return _mm256_loadu_ps(from); }
  static __m256 load(const uint16_t *from) { return _mm256_cvtph_ps(sixteen(from)); }

  template <class A, class B>
  static float dot(const A *a, const B *b, size_t count) {
    __m256 x = _mm256_setzero_ps(), y = x;
    for (size_t at = 0; at < count; at += 16) {
      x = _mm256_fmadd_ps(load(a + at), load(b + at), x);
      y = _mm256_fmadd_ps(load(a + at + 8), load(b + at + 8), y);
    }
    return total(_mm256_add_ps(x, y));
  }

  template <class A, class B>
  static float l2(const A *a, const B *b, size_t count) {
    __m256 x = _mm256_setzero_ps(), y = x;
    for (size_t at = 0; at < count; at += 16) {
      const __m256 first = _mm256_sub_ps(load(a + at), load(b + at));
      const __m256 second = _mm256_sub_ps(load(a + at + 8), load(b + at + 8));
      x = _mm256_fmadd_ps(first, first, x);
      y = _mm256_fmadd_ps(second, second, y);
    }
    return total(_mm256_add_ps(x, y));
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
const GraphVariant graph_avx2 = variant_of<Ops>("avx2");
}
