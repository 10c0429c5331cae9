// The graph kernels in plain arithmetic: the twin of every SIMD variant, and what runs where there is none.
#include <cstring>

#include "graph.h"

namespace {

/** IEEE 754 half precision to single, as the CPU's own instruction does it. */
inline float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t bits = static_cast<uint32_t>(half & 0x7fff) << 13;
  float value;
  if (bits >= 0x0f800000u) {
    bits |= 0x70000000u;  // infinity or NaN
    std::memcpy(&value, &bits, 4);
  } else {
    std::memcpy(&value, &bits, 4);
    value *= 0x1p112f;
  }
  std::memcpy(&bits, &value, 4);
  bits |= sign;
  std::memcpy(&value, &bits, 4);
  return value;
}

struct Ops {
  template <class A, class B>
  static int32_t dot_integers(const A *a, const B *b, size_t count) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += static_cast<int32_t>(a[i]) * static_cast<int32_t>(b[i]);
    return sum;
  }

  static int32_t dot_u8s8(const uint8_t *a, const int8_t *b, size_t count) { return dot_integers(a, b, count); }
  static int32_t dot_u8u8(const uint8_t *a, const uint8_t *b, size_t count) { return dot_integers(a, b, count); }

  /** Calls `use(i, code)` for every component: blocks of 128, then one of 64, low halves of the bytes first. */
  template <class Use>
  static void each_u4(const uint8_t *codes, size_t count, Use use) {
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < half; i++) {
        use(at + i, codes[at / 2 + i] & 15);
        use(at + half + i, codes[at / 2 + i] >> 4);
      }
      at += 2 * half;
    }
  }

  static int32_t dot_u4s8(const uint8_t *a, const int8_t *b, size_t count) {
    int32_t sum = 0;
    each_u4(a, count, [&](size_t i, int32_t code) { sum += code * b[i]; });
    return sum;
  }

  static float dot_u4f32(const uint8_t *a, const float *b, size_t count) {
    float sum = 0;
    each_u4(a, count, [&](size_t i, int32_t code) { sum += static_cast<float>(code) * b[i]; });
    return sum;
  }

  /** Blocks of 64: a byte has the codes of four components, 16 apart. */
  static float dot_u2f32(const uint8_t *a, const float *b, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
      const int32_t code = a[i / 64 * 16 + i % 16] >> (i % 64 / 16 * 2) & 3;
      sum += static_cast<float>(code) * b[i];
    }
    return sum;
  }

  static void unpack(const uint8_t *high, const uint8_t *low, uint8_t *out, size_t count) {
    each_u4(high, count, [&](size_t i, int32_t code) { out[i] = static_cast<uint8_t>(code); });
    if (low == nullptr) return;
    each_u4(low, count, [&](size_t i, int32_t code) { out[i] = static_cast<uint8_t>(out[i] << 4 | code); });
  }

  static float dot_u8f32(const uint8_t *a, const float *b, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += static_cast<float>(a[i]) * b[i];
    return sum;
  }

  static float value(float x) { return x; }
  static float value(uint16_t x) { return from_half(x); }

  template <class A, class B>
  static float dot_floats(const A *a, const B *b, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += value(a[i]) * value(b[i]);
    return sum;
  }

  template <class A, class B>
  static float l2_floats(const A *a, const B *b, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
      const float apart = value(a[i]) - value(b[i]);
      sum += apart * apart;
    }
    return sum;
  }

  static float dot_f32(const float *a, const float *b, size_t count) { return dot_floats(a, b, count); }
  static float dot_f16(const float *a, const uint16_t *b, size_t count) { return dot_floats(a, b, count); }
  static float dot_f16_f16(const uint16_t *a, const uint16_t *b, size_t count) { return dot_floats(a, b, count); }
  static float l2_f32(const float *a, const float *b, size_t count) { return l2_floats(a, b, count); }
  static float l2_f16(const float *a, const uint16_t *b, size_t count) { return l2_floats(a, b, count); }
  static float l2_f16_f16(const uint16_t *a, const uint16_t *b, size_t count) { return l2_floats(a, b, count); }
};

#include "graph_kernel.h"

}  // namespace

namespace tercet {
const GraphVariant graph_scalar = variant_of<Ops>("scalar");
}
