#include "graph_edit.h"

#include <atomic>
#include <cstring>

#include "graph_codes.h"

namespace tercet {

constexpr size_t lock_count = 4096;

struct RowLocks {
  std::atomic_flag rows[lock_count];
  std::atomic_flag head;
};

RowLocks *new_row_locks() {
  RowLocks *locks = new RowLocks();
  for (std::atomic_flag &row : locks->rows) row.clear();
  locks->head.clear();
  return locks;
}

void free_row_locks(RowLocks *locks) { delete locks; }

namespace {

class Held {
 public:
  explicit Held(std::atomic_flag &flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~Held() { flag_.clear(std::memory_order_release); }
  Held(const Held &) = delete;

 private:
  std::atomic_flag &flag_;
};

bool is_live(const tercet_graph &graph, uint32_t slot) {
  return slot < graph.slots && (load_word(graph.states + slot) & TERCET_STATE_LIVE) != 0;
}

size_t degree_of(const tercet_graph &graph, uint32_t slot) {
  const uint32_t *row = links_of(graph, slot);
  size_t degree = 0;
  while (degree < graph.degree_max && load_word(row + degree) != TERCET_NONE) degree++;
  return degree;
}

bool links_to(const tercet_graph &graph, uint32_t from, uint32_t to) {
  const uint32_t *row = links_of(graph, from);
  for (size_t i = 0; i < graph.degree_max; i++) {
    const uint32_t slot = load_word(row + i);
    if (slot == to) return true;
    if (slot == TERCET_NONE) return false;
  }
  return false;
}

void write_row(const tercet_graph &graph, uint32_t slot, const uint32_t *links, size_t count) {
  uint32_t *row = links_of(graph, slot);
  for (size_t i = 0; i < graph.degree_max; i++) store_word(row + i, i < count ? links[i] : TERCET_NONE);
}

/** Adds a live slot other than `base` to the pool, once. */
void pool_add(const tercet_graph &graph, Scratch &scratch, size_t &count, uint32_t base, uint32_t slot) {
  if (slot == base || !is_live(graph, slot)) return;
  for (size_t i = 0; i < count; i++) {
    if (scratch.pool[i].slot == slot) return;
  }
  scratch.pool[count++].slot = slot;
}

void link_back(const tercet_graph &graph, const GraphVariant &variant, uint32_t from, uint32_t to, Scratch &scratch,
               RowLocks &locks) {
  const Held held(locks.rows[from % lock_count]);
  if (links_to(graph, from, to)) return;
  const size_t degree = degree_of(graph, from);
  uint32_t *row = links_of(graph, from);
  if (degree < graph.degree_max) {
    store_word(row + degree, to);
    return;
  }
  // Most links that a full row is offered would be dropped again: that is seen without choosing among all.
  if (variant.covers(graph, from, to, scratch)) return;
  size_t count = 0;
  for (size_t i = 0; i < degree; i++) pool_add(graph, scratch, count, from, load_word(row + i));
  pool_add(graph, scratch, count, from, to);
  write_row(graph, from, scratch.kept, variant.prune(graph, from, count, graph.degree_new, scratch));
}

uint32_t mixed(uint32_t value) {
  value = (value ^ value >> 16) * 0x21f0aaadu;
  value = (value ^ value >> 15) * 0x735a2d97u;
  return value ^ value >> 15;
}

/** Keeps the entries a sample of what was inserted. See Vitter 1985, Algorithm R. */
void offer_entry(const tercet_graph &graph, uint32_t slot, RowLocks &locks) {
  const Held held(locks.head);
  uint32_t *entries = graph.head + TERCET_HEAD_FIRST_ENTRY;
  const uint32_t inserted = ++graph.head[TERCET_HEAD_INSERTED];
  const uint32_t count = graph.head[TERCET_HEAD_ENTRIES];
  if (count < graph.entries_max) {
    store_word(entries + count, slot);
    store_word(graph.head + TERCET_HEAD_ENTRIES, count + 1);
    return;
  }
  const uint64_t place = static_cast<uint64_t>(mixed(inserted)) * inserted >> 32;
  if (place < count) store_word(entries + place, slot);
}

void replace_entry(const tercet_graph &graph, uint32_t slot, uint32_t by, RowLocks &locks) {
  const Held held(locks.head);
  uint32_t *entries = graph.head + TERCET_HEAD_FIRST_ENTRY;
  uint32_t count = graph.head[TERCET_HEAD_ENTRIES];
  for (uint32_t i = 0; i < count; i++) {
    if (entries[i] != slot) continue;
    if (by != TERCET_NONE) {
      store_word(entries + i, by);
    } else {
      store_word(entries + i, entries[count - 1]);
      store_word(graph.head + TERCET_HEAD_ENTRIES, --count);
      i--;
    }
  }
  for (uint32_t other = 0; count == 0 && other < graph.slots; other++) {
    if (!is_live(graph, other)) continue;
    store_word(entries, other);
    store_word(graph.head + TERCET_HEAD_ENTRIES, ++count);
  }
}

/** Replaces the link to a row that is gone by the best of what it linked to. */
void bridge(const tercet_graph &graph, const GraphVariant &variant, uint32_t from, uint32_t gone,
            const uint32_t *beyond, Scratch &scratch, RowLocks &locks) {
  if (from == gone || !links_to(graph, from, gone)) return;
  const Held held(locks.rows[from % lock_count]);
  const size_t degree = degree_of(graph, from);
  size_t count = 0;
  for (size_t i = 0; i < degree; i++) pool_add(graph, scratch, count, from, load_word(links_of(graph, from) + i));
  for (size_t i = 0; i < graph.degree_max && beyond[i] != TERCET_NONE; i++) {
    pool_add(graph, scratch, count, from, beyond[i]);
  }
  write_row(graph, from, scratch.kept, variant.prune(graph, from, count, graph.degree_new, scratch));
}

}  // namespace

void link(const tercet_graph &graph, const GraphVariant &variant, uint32_t slot, const Query &query, Scratch &scratch,
          RowLocks &locks) {
  variant.walk(graph, query, {}, scratch);
  size_t count = 0;
  for (size_t i = 0; i < scratch.beam.size; i++) {
    const uint32_t other = scratch.beam.items[i].slot;
    if (other != slot && is_live(graph, other)) scratch.pool[count++].slot = other;
  }
  uint32_t chosen[128];
  const size_t degree = variant.prune(graph, slot, count, graph.degree_new, scratch);
  std::memcpy(chosen, scratch.kept, degree * sizeof(uint32_t));
  {
    const Held held(locks.rows[slot % lock_count]);
    write_row(graph, slot, chosen, degree);
  }
  for (size_t i = 0; i < degree; i++) link_back(graph, variant, chosen[i], slot, scratch, locks);
  offer_entry(graph, slot, locks);
}

void unlink(const tercet_graph &graph, const GraphVariant &variant, uint32_t slot, const Query &query,
            Scratch &scratch, RowLocks &locks) {
  variant.walk(graph, query, {}, scratch);
  uint32_t *state = graph.states + slot;
  store_word(state, (load_word(state) + TERCET_STATE_STEP) & ~(TERCET_STATE_LIVE | TERCET_STATE_BUSY));
  blank(graph, slot);
  uint32_t beyond[128];
  for (size_t i = 0; i < graph.degree_max; i++) beyond[i] = load_word(links_of(graph, slot) + i);
  for (size_t i = 0; i < scratch.beam.size; i++) {
    bridge(graph, variant, scratch.beam.items[i].slot, slot, beyond, scratch, locks);
  }
  uint32_t successor = TERCET_NONE;
  for (size_t i = 0; i < graph.degree_max && beyond[i] != TERCET_NONE; i++) {
    if (!is_live(graph, beyond[i])) continue;
    if (successor == TERCET_NONE) successor = beyond[i];
    bridge(graph, variant, beyond[i], slot, beyond, scratch, locks);
    for (size_t j = 0; j < graph.degree_max; j++) {
      const uint32_t far = load_word(links_of(graph, beyond[i]) + j);
      if (far == TERCET_NONE) break;
      bridge(graph, variant, far, slot, beyond, scratch, locks);
    }
  }
  write_row(graph, slot, nullptr, 0);
  replace_entry(graph, slot, successor, locks);
}

}  // namespace tercet
