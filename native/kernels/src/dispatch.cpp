// Picks, once, the variant that the running CPU can execute.
#include "crc32.h"
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

const Variant variant = pick();

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

}  // extern "C"
