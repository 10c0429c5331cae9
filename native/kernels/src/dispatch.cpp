// Picks, once, the variants that the running CPU can execute.
#include "crc32.h"
#include "largest.h"
#include "tercet_kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace {

struct Variant {
  const char *name;
  tercet::CrcFunction crc32;
};

Variant pick() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(TERCET_WITH_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("vpclmulqdq")) {
    return {"avx512", tercet::crc32_avx512};
  }
#endif
#if defined(TERCET_WITH_PCLMUL)
  if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) return {"pclmul", tercet::crc32_pclmul};
#endif
#elif defined(__aarch64__) && defined(TERCET_WITH_ARMCRC)
#if defined(__linux__)
  if ((getauxval(AT_HWCAP) & HWCAP_CRC32) != 0) return {"armcrc", tercet::crc32_arm};
#else
  return {"armcrc", tercet::crc32_arm};
#endif
#endif
  return {"scalar", tercet::crc32_scalar};
}

tercet::LargestFunction pick_largest() {
#if defined(__x86_64__) && defined(TERCET_WITH_AVX2)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) return tercet::largest_avx2;
#endif
  return tercet::largest_baseline;
}

const Variant variant = pick();
const tercet::LargestFunction largest = pick_largest();

}  // namespace

extern "C" {

int32_t tercet_kernels_abi(void) { return TERCET_KERNELS_ABI; }

const char *tercet_kernels_variant(void) { return variant.name; }

uint32_t tercet_crc32(const uint8_t *bytes, size_t count, uint32_t seed) {
  return variant.crc32(nullptr, bytes, count, seed);
}

uint32_t tercet_crc32_scalar(const uint8_t *bytes, size_t count, uint32_t seed) {
  return tercet::crc32_scalar(nullptr, bytes, count, seed);
}

uint32_t tercet_copy_crc32(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  return variant.crc32(out, source, count, seed);
}

uint32_t tercet_copy_crc32_scalar(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed) {
  return tercet::crc32_scalar(out, source, count, seed);
}

int64_t tercet_largest_f32(const float *values, size_t count) { return largest(values, count); }

}  // extern "C"
