#define TERCET_VECTOR_BYTES 16
#include "largest.h"

namespace tercet {

int64_t largest_baseline(const float *values, size_t count) { return Largest::index_of(values, count); }

}  // namespace tercet
