#define TERCET_VECTOR_BYTES 32
#include "largest.h"

namespace tercet {

int64_t largest_avx2(const float *values, size_t count) { return Largest::index_of(values, count); }

}  // namespace tercet
