// The graph kernels with the vector instructions of ARMv8.
#include <arm_neon.h>

#include "graph.h"

namespace {

struct Ops {
  static int32_t dot_u8s8(const uint8_t *a, const int8_t *b, size_t count) {
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t at = 0; at < count; at += 8) {
      const int16x8_t x = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(a + at)));
      const int16x8_t y = vmovl_s8(vld1_s8(b + at));
      sum = vmlal_s16(sum, vget_low_s16(x), vget_low_s16(y));
      sum = vmlal_high_s16(sum, x, y);
    }
    return vaddvq_s32(sum);
  }

  static int32_t dot_u8u8(const uint8_t *a, const uint8_t *b, size_t count) {
    uint32x4_t sum = vdupq_n_u32(0);
    for (size_t at = 0; at < count; at += 16) {
      const uint8x16_t x = vld1q_u8(a + at);
      const uint8x16_t y = vld1q_u8(b + at);
      sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(x), vget_low_u8(y)));
      sum = vpadalq_u16(sum, vmull_high_u8(x, y));
    }
    return static_cast<int32_t>(vaddvq_u32(sum));
  }

  static uint8x16_t half_of(const uint8_t *from, bool upper) {
    const uint8x16_t packed = vld1q_u8(from);
    return upper ? vshrq_n_u8(packed, 4) : vandq_u8(packed, vdupq_n_u8(15));
  }

  static int32_t dot_u4s8(const uint8_t *a, const int8_t *b, size_t count) {
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < 2 * half; i += 16) {
        const int8x16_t x = vreinterpretq_s8_u8(half_of(a + at / 2 + i % half, i >= half));
        const int8x16_t y = vld1q_s8(b + at + i);
        sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
        sum = vpadalq_s16(sum, vmull_high_s8(x, y));
      }
      at += 2 * half;
    }
    return vaddvq_s32(sum);
  }

  /** Adds the products of 16 codes and values to the sum. */
  static float32x4_t add_products(uint8x16_t codes, const float *values, float32x4_t sum) {
    const uint16x8_t low = vmovl_u8(vget_low_u8(codes));
    const uint16x8_t high = vmovl_high_u8(codes);
    sum = vfmaq_f32(sum, vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vld1q_f32(values));
    sum = vfmaq_f32(sum, vcvtq_f32_u32(vmovl_high_u16(low)), vld1q_f32(values + 4));
    sum = vfmaq_f32(sum, vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vld1q_f32(values + 8));
    return vfmaq_f32(sum, vcvtq_f32_u32(vmovl_high_u16(high)), vld1q_f32(values + 12));
  }

  static float dot_u8f32(const uint8_t *a, const float *b, size_t count) {
    float32x4_t sum = vdupq_n_f32(0);
    for (size_t at = 0; at < count; at += 16) sum = add_products(vld1q_u8(a + at), b + at, sum);
    return vaddvq_f32(sum);
  }

  static float dot_u4f32(const uint8_t *a, const float *b, size_t count) {
    float32x4_t sum = vdupq_n_f32(0);
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < 2 * half; i += 16) {
        sum = add_products(half_of(a + at / 2 + i % half, i >= half), b + at + i, sum);
      }
      at += 2 * half;
    }
    return vaddvq_f32(sum);
  }

  static float dot_u2f32(const uint8_t *a, const float *b, size_t count) {
    const uint8x16_t mask = vdupq_n_u8(3);
    float32x4_t sum = vdupq_n_f32(0);
    for (size_t at = 0; at < count; at += 16) {
      const int8x16_t right = vdupq_n_s8(static_cast<int8_t>(-static_cast<int>(at % 64 / 16 * 2)));
      const uint8x16_t codes = vandq_u8(vshlq_u8(vld1q_u8(a + at / 64 * 16), right), mask);
      sum = add_products(codes, b + at, sum);
    }
    return vaddvq_f32(sum);
  }

  static void unpack(const uint8_t *high, const uint8_t *low, uint8_t *out, size_t count) {
    for (size_t at = 0; at < count;) {
      const size_t half = count - at >= 128 ? 64 : 32;
      for (size_t i = 0; i < 2 * half; i += 16) {
        const size_t from = at / 2 + i % half;
        uint8x16_t codes = half_of(high + from, i >= half);
        if (low != nullptr) codes = vorrq_u8(vshlq_n_u8(codes, 4), half_of(low + from, i >= half));
        vst1q_u8(out + at + i, codes);
      }
      at += 2 * half;
    }
  }

  static float32x4_t load(const float *from) { return vld1q_f32(from); }
  static float32x4_t load(const uint16_t *from) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))); }

  template <class A, class B>
  static float dot(const A *a, const B *b, size_t count) {
    float32x4_t x = vdupq_n_f32(0), y = x;
    for (size_t at = 0; at < count; at += 8) {
      x = vfmaq_f32(x, load(a + at), load(b + at));
      y = vfmaq_f32(y, load(a + at + 4), load(b + at + 4));
    }
    return vaddvq_f32(vaddq_f32(x, y));
  }

  template <class A, class B>
  static float l2(const A *a, const B *b, size_t count) {
    float32x4_t x = vdupq_n_f32(0), y = x;
    for (size_t at = 0; at < count; at += 8) {
      const float32x4_t first = vsubq_f32(load(a + at), load(b + at));
      const float32x4_t second = vsubq_f32(load(a + at + 4), load(b + at + 4));
      x = vfmaq_f32(x, first, first);
      y = vfmaq_f32(y, second, second);
    }
    return vaddvq_f32(vaddq_f32(x, y));
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
const GraphVariant graph_neon = variant_of<Ops>("neon");
}
