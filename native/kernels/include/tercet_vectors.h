// Native kernels of the vector index: distances between vectors and codes, and whole searches, insertions and removals
// in a graph whose memory belongs to the caller. Functions return a status; a thread keeps what it searched with.
#pragma once
#include <stdint.h>

#include "tercet_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tercet_status { TERCET_WELL = 0, TERCET_BAD_ARGUMENT = 1 };
enum tercet_metric { TERCET_COSINE = 0, TERCET_INNER_PRODUCT = 1, TERCET_L2 = 2 };
enum tercet_code { TERCET_FLOAT32 = 0, TERCET_FLOAT16 = 1, TERCET_LVQ = 2 };

// A place without a vector in a row of links, in a result and in a head.
#define TERCET_NONE 0xffffffffu
// Words of a head: how many entries there are, how many vectors were ever inserted, and the entries.
#define TERCET_HEAD_ENTRIES 0
#define TERCET_HEAD_INSERTED 1
#define TERCET_HEAD_FIRST_ENTRY 16
#define TERCET_ENTRIES_MAX 112
// Bits of a state. The bits above count changes: a reader that saw two different states read a torn vector.
#define TERCET_STATE_LIVE 1u
#define TERCET_STATE_BUSY 2u
#define TERCET_STATE_STEP 4u

// One graph. Rows are addressed by slot; `rests` is null where codes have one level. All fields are 8 bytes wide.
typedef struct {
  uint8_t *codes;
  uint8_t *rests;
  uint32_t *links;
  uint32_t *states;
  uint32_t *head;
  uint64_t slots;        // rows in use: every live slot is below
  uint64_t code_stride;  // bytes
  uint64_t rest_stride;  // bytes
  uint64_t dim;
  uint64_t metric;
  uint64_t code;
  uint64_t code_bits;     // LVQ: 4 or 8
  uint64_t rest_bits;     // LVQ: 0, 4, 6 or 8
  uint64_t degree_max;    // links of a row
  uint64_t degree_new;    // links that an insertion gives to its own vector, and that a full row is cut to
  uint64_t ef_construction;
  uint64_t entries_max;
  double alpha;
} tercet_graph;

// One search per query: the nearest k by a walk with a list of `ef`, of which `rerank` (at least k) are compared once
// more by both levels of their codes. `allow` (or null) has a bit per slot; what it is too short for is not allowed.
// `out_slots` and `out_distances` are [count, k], filled up with TERCET_NONE; `out_counts` is [count];
// `out_computations` is one sum of the distances computed.
TERCET_API int32_t tercet_graph_search(const tercet_graph *graph, const float *queries, uint64_t count, uint64_t k,
                                       uint64_t ef, uint64_t rerank, const uint32_t *allow, uint64_t allow_words,
                                       uint64_t threads, uint32_t *out_slots, float *out_distances,
                                       uint32_t *out_counts, uint64_t *out_computations);
// The same without a walk: every vector that is live and allowed is compared, which is exact up to the error of the
// codes.
TERCET_API int32_t tercet_graph_scan(const tercet_graph *graph, const float *queries, uint64_t count, uint64_t k,
                                     uint64_t rerank, const uint32_t *allow, uint64_t allow_words, uint64_t threads,
                                     uint32_t *out_slots, float *out_distances, uint32_t *out_counts,
                                     uint64_t *out_computations);

// Vectors are [count, dim]; a slot must be free. With more than one thread the links depend on timing.
TERCET_API int32_t tercet_graph_insert(const tercet_graph *graph, const uint32_t *slots, const float *vectors,
                                       uint64_t count, uint64_t threads);
TERCET_API int32_t tercet_graph_remove(const tercet_graph *graph, const uint32_t *slots, uint64_t count);

// Distances of one query to `count` rows: by what the CPU offers, or by the scalar twin. `level` 1 is what a walk
// compares, `level` 2 what results are ordered by.
TERCET_API int32_t tercet_graph_distances(const tercet_graph *graph, const float *query, const uint32_t *slots,
                                          uint64_t count, uint64_t level, float *out);
TERCET_API int32_t tercet_graph_distances_scalar(const tercet_graph *graph, const float *query, const uint32_t *slots,
                                                 uint64_t count, uint64_t level, float *out);

// The vector that the code of a slot stands for: [dim].
TERCET_API int32_t tercet_graph_decode(const tercet_graph *graph, uint32_t slot, float *out);

// Instruction set that the running CPU is served with: "avx512-vnni", "avx2", "neon" or "scalar".
TERCET_API const char *tercet_vectors_variant(void);

// Address space that takes memory only where it is written to, on huge pages where the system has them; 0: none.
TERCET_API uint64_t tercet_memory_reserve(uint64_t bytes);
// Gives pages back; they read as zeros.
TERCET_API int32_t tercet_memory_release(uint64_t address, uint64_t bytes);
TERCET_API int32_t tercet_memory_free(uint64_t address, uint64_t bytes);

#ifdef __cplusplus
}
#endif
