// The C functions of the vector index: arguments, memory of the threads, and the variant that the CPU can execute.
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "graph_codes.h"
#include "graph_edit.h"

namespace tercet {
namespace {

constexpr size_t dim_max = 8192;

const GraphVariant &pick_variant() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(TERCET_WITH_VNNI)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni")) {
    return graph_avx512;
  }
#endif
#if defined(TERCET_WITH_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return graph_avx2;
#endif
#elif defined(__aarch64__)
  return graph_neon;
#endif
  return graph_scalar;
}

const GraphVariant &variant = pick_variant();

/** Memory that a thread keeps from one call to the next. */
class Workspace {
 public:
  Scratch scratch{};
  QueryRoom query{};

  void fit(const tercet_graph &graph, size_t beam_room) {
    const size_t count = padded(graph.dim);
    if (visited_.size() * 64 < graph.slots) {
      visited_.assign(graph.slots / 64 + 1, 0);
      touched_.resize(graph.slots + 1);
    }
    if (beam_.size() < beam_room) {
      beam_.resize(beam_room);
      found_.resize(beam_room);
    }
    if (values_.size() < count) {
      values_.resize(count);
      codes_.resize(count);
    }
    pool_.resize(pool_max);
    kept_.resize(pool_max);
    scratch.visited = visited_.data();
    scratch.touched = touched_.data();
    scratch.beam = {beam_.data(), 0, beam_room};
    scratch.found = {found_.data(), 0, beam_room};
    scratch.pool = pool_.data();
    scratch.kept = kept_.data();
    scratch.computations = 0;
    scratch.slots = static_cast<uint32_t>(graph.slots);
    query = {values_.data(), codes_.data()};
  }

  void fit_rows(const tercet_graph &graph) {
    if (rows_.size() < padded(graph.dim) * (pool_max + 1)) rows_.resize(padded(graph.dim) * (pool_max + 1));
    scratch.rows = rows_.data();
  }

 private:
  std::vector<uint64_t> visited_;
  std::vector<uint32_t> touched_, kept_;
  std::vector<Candidate> beam_, found_, pool_;
  std::vector<uint8_t> rows_;
  std::vector<float> values_;
  std::vector<int8_t> codes_;
};

Workspace &workspace() {
  thread_local Workspace own;
  return own;
}

bool is_sound(const tercet_graph &graph) {
  return graph.dim >= 1 && graph.dim <= dim_max && graph.degree_max >= 1 && graph.degree_max <= 128 &&
         graph.degree_new >= 1 && graph.degree_new <= graph.degree_max && graph.ef_construction >= 1 &&
         graph.ef_construction <= 768 && graph.entries_max >= 1 && graph.entries_max <= TERCET_ENTRIES_MAX &&
         graph.slots < expanded;
}

bool are_slots(const tercet_graph &graph, const uint32_t *slots, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    if (slots[i] >= graph.slots) return false;
  }
  return true;
}

/** Calls `work(i)` for every item, in order on one thread and dealt out on several. */
template <class Work>
void for_each_item(size_t count, size_t threads, Work work) {
  if (threads <= 1) {
    for (size_t i = 0; i < count; i++) work(i);
    return;
  }
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; i++) others.emplace_back(run);
  run();
  for (std::thread &other : others) other.join();
}

struct Search {
  const float *queries;
  size_t count;
  size_t k;
  size_t ef;
  size_t rerank;
  Allowed allowed;
  size_t threads;
  uint32_t *out_slots;
  float *out_distances;
  uint32_t *out_counts;
  uint64_t *out_computations;
};

/** Orders the nearest candidates by both levels of their codes and writes the k best that are whole and live. */
uint32_t finish(const tercet_graph &graph, const Query &query, Beam &beam, const Search &search,
                uint32_t *slots, float *distances) {
  Beam best{beam.items, 0, search.k};
  size_t left = search.rerank > search.k ? search.rerank : search.k;
  Candidate candidates[16];
  for (size_t i = 0; i < beam.size && left > 0; i += 16) {
    const size_t count = beam.size - i < 16 ? beam.size - i : 16;
    std::memcpy(candidates, beam.items + i, count * sizeof(Candidate));
    for (size_t j = 0; j < count && graph.rest_bits != 0; j++) {
      const uint8_t *rest = rest_of(graph, candidates[j].slot);
      for (size_t at = 0; at < graph.rest_stride; at += 64) __builtin_prefetch(rest + at);
    }
    for (size_t j = 0; j < count && left > 0; j++) {
      const uint32_t slot = candidates[j].slot;
      const uint32_t before = __atomic_load_n(graph.states + slot, __ATOMIC_ACQUIRE);
      const float distance = variant.exact(graph, query, slot);
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      const bool whole = load_word(graph.states + slot) == before;
      if (!whole || (before & (TERCET_STATE_LIVE | TERCET_STATE_BUSY)) != TERCET_STATE_LIVE) continue;
      if (!(distance < __builtin_inff())) continue;
      take(best, {distance, slot});
      left--;
    }
  }
  for (size_t i = 0; i < search.k; i++) {
    slots[i] = i < best.size ? best.items[i].slot : TERCET_NONE;
    distances[i] = i < best.size ? best.items[i].distance : 0;
  }
  return static_cast<uint32_t>(best.size);
}

/** How a query is answered: by a walk, whose list is the longer the less is allowed, or by comparing all that is. */
struct Plan {
  bool scans;
  size_t room;
};

Plan plan_search(const tercet_graph &graph, const Search &search) {
  const size_t room = search.ef > search.k ? search.ef : search.k;
  if (search.allowed.words == nullptr) return {false, room};
  size_t matches = 0;
  for (size_t word = 0; word < search.allowed.count; word++) matches += __builtin_popcount(search.allowed.words[word]);
  const double longer = static_cast<double>(room) * graph.slots / (matches == 0 ? 1 : matches);
  const bool scans = longer * graph.degree_max / 2 > matches;
  return {scans, scans ? room : static_cast<size_t>(longer)};
}

int32_t run_search(const tercet_graph &graph, const Search &search, Plan plan) {
  if (!is_sound(graph) || search.k < 1 || plan.room < 1) return TERCET_BAD_ARGUMENT;
  const bool scans = plan.scans;
  const size_t room = plan.room;
  std::atomic<uint64_t> computations{0};
  for_each_item(search.count, search.threads, [&](size_t i) {
    Workspace &own = workspace();
    own.fit(graph, room);
    const Query query = prepare(graph, search.queries + i * graph.dim, own.query);
    Scratch &scratch = own.scratch;
    const auto answer = [&](Beam &beam) {
      return finish(graph, query, beam, search, search.out_slots + i * search.k, search.out_distances + i * search.k);
    };
    uint32_t found = 0;
    if (!scans) {
      variant.walk(graph, query, search.allowed, scratch);
      found = answer(search.allowed.words == nullptr ? scratch.beam : scratch.found);
    }
    if (scans || found < search.k) {
      variant.scan(graph, query, search.allowed, scratch);
      found = answer(scratch.beam);
    }
    search.out_counts[i] = found;
    computations += scratch.computations;
  });
  *search.out_computations = computations;
  return TERCET_WELL;
}

int32_t run_distances(const GraphVariant &by, const tercet_graph &graph, const float *query, const uint32_t *slots,
                      uint64_t count, uint64_t level, float *out) {
  if (!is_sound(graph) || !are_slots(graph, slots, count)) return TERCET_BAD_ARGUMENT;
  Workspace &own = workspace();
  own.fit(graph, 1);
  const Query prepared = prepare(graph, query, own.query);
  for (uint64_t i = 0; i < count; i++) {
    out[i] = level == 1 ? by.near(graph, prepared, slots[i]) : by.exact(graph, prepared, slots[i]);
  }
  return TERCET_WELL;
}

}  // namespace
}  // namespace tercet

using namespace tercet;

extern "C" {

const char *tercet_vectors_variant(void) { return variant.name; }

int32_t tercet_graph_search(const tercet_graph *graph, const float *queries, uint64_t count, uint64_t k, uint64_t ef,
                            uint64_t rerank, const uint32_t *allow, uint64_t allow_words, uint64_t threads,
                            uint32_t *out_slots, float *out_distances, uint32_t *out_counts,
                            uint64_t *out_computations) {
  const Search search{queries, count,     k,       ef,           rerank,     {allow, allow_words},
                      threads, out_slots, out_distances, out_counts, out_computations};
  return run_search(*graph, search, plan_search(*graph, search));
}

int32_t tercet_graph_scan(const tercet_graph *graph, const float *queries, uint64_t count, uint64_t k,
                          uint64_t rerank, const uint32_t *allow, uint64_t allow_words, uint64_t threads,
                          uint32_t *out_slots, float *out_distances, uint32_t *out_counts,
                          uint64_t *out_computations) {
  const Search search{queries, count,     k,       k,           rerank,     {allow, allow_words},
                      threads, out_slots, out_distances, out_counts, out_computations};
  return run_search(*graph, search, {true, rerank > k ? rerank : k});
}

int32_t tercet_graph_insert(const tercet_graph *graph, const uint32_t *slots, const float *vectors, uint64_t count,
                            uint64_t threads) {
  if (!is_sound(*graph) || !are_slots(*graph, slots, count)) return TERCET_BAD_ARGUMENT;
  RowLocks *locks = new_row_locks();
  for_each_item(count, threads, [&](size_t i) {
    Workspace &own = workspace();
    own.fit(*graph, graph->ef_construction);
    own.fit_rows(*graph);
    const Query query = prepare(*graph, vectors + i * graph->dim, own.query);
    uint32_t *state = graph->states + slots[i];
    const uint32_t before = load_word(state);
    __atomic_store_n(state, before | TERCET_STATE_BUSY, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    encode(*graph, slots[i], query.values);
    const uint32_t after = (before + TERCET_STATE_STEP) & ~TERCET_STATE_BUSY;
    __atomic_store_n(state, after | TERCET_STATE_LIVE, __ATOMIC_RELEASE);
    link(*graph, variant, slots[i], query, own.scratch, *locks);
  });
  free_row_locks(locks);
  return TERCET_WELL;
}

int32_t tercet_graph_remove(const tercet_graph *graph, const uint32_t *slots, uint64_t count) {
  if (!is_sound(*graph) || !are_slots(*graph, slots, count)) return TERCET_BAD_ARGUMENT;
  RowLocks *locks = new_row_locks();
  std::vector<float> vector(padded(graph->dim));
  for (uint64_t i = 0; i < count; i++) {
    Workspace &own = workspace();
    own.fit(*graph, graph->ef_construction);
    own.fit_rows(*graph);
    decode(*graph, slots[i], vector.data());
    unlink(*graph, variant, slots[i], prepare(*graph, vector.data(), own.query), own.scratch, *locks);
  }
  free_row_locks(locks);
  return TERCET_WELL;
}

int32_t tercet_graph_distances(const tercet_graph *graph, const float *query, const uint32_t *slots, uint64_t count,
                               uint64_t level, float *out) {
  return run_distances(variant, *graph, query, slots, count, level, out);
}

int32_t tercet_graph_distances_scalar(const tercet_graph *graph, const float *query, const uint32_t *slots,
                                      uint64_t count, uint64_t level, float *out) {
  return run_distances(graph_scalar, *graph, query, slots, count, level, out);
}

int32_t tercet_graph_decode(const tercet_graph *graph, uint32_t slot, float *out) {
  if (!is_sound(*graph) || slot >= graph->slots) return TERCET_BAD_ARGUMENT;
  std::vector<float> vector(padded(graph->dim));
  decode(*graph, slot, vector.data());
  std::memcpy(out, vector.data(), graph->dim * sizeof(float));
  return TERCET_WELL;
}

uint64_t tercet_memory_reserve(uint64_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 0;
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return reinterpret_cast<uint64_t>(memory);
}

int32_t tercet_memory_release(uint64_t address, uint64_t bytes) {
  return madvise(reinterpret_cast<void *>(address), bytes, MADV_DONTNEED) == 0 ? TERCET_WELL : TERCET_BAD_ARGUMENT;
}

int32_t tercet_memory_free(uint64_t address, uint64_t bytes) {
  return munmap(reinterpret_cast<void *>(address), bytes) == 0 ? TERCET_WELL : TERCET_BAD_ARGUMENT;
}

}  // extern "C"
