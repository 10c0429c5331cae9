// The loops of the graph over the arithmetic `Ops` of one instruction set. Included by every variant's unit, inside its
// anonymous namespace.

using namespace tercet;

constexpr float infinity = __builtin_inff();

template <class Ops>
float lvq_near(const tercet_graph &graph, const Query &query, uint32_t slot) {
  const uint8_t *row = code_of(graph, slot);
  RowHead head;
  __builtin_memcpy(&head, row, sizeof head);
  const size_t count = padded(graph.dim);
  const int32_t dot = graph.code_bits == 8 ? Ops::dot_u8s8(row + sizeof head, query.codes, count)
                                           : Ops::dot_u4s8(row + sizeof head, query.codes, count);
  const float inner = head.low * query.sum + head.scale * query.scale * static_cast<float>(dot);
  return query.base + head.bias - query.factor * inner;
}

/** Inner product of the query's own values and the second level of a code. */
template <class Ops>
float rest_dot(const tercet_graph &graph, const Query &query, uint32_t slot) {
  const uint8_t *rest = rest_of(graph, slot);
  const size_t count = padded(graph.dim);
  if (graph.rest_bits == 8) return Ops::dot_u8f32(rest, query.values, count);
  const float four = Ops::dot_u4f32(rest, query.values, count);
  if (graph.rest_bits == 4) return four;
  return 4 * four + Ops::dot_u2f32(rest + count / 2, query.values, count);
}

/** With the query's own values and both levels of the code. */
template <class Ops>
float lvq_exact(const tercet_graph &graph, const Query &query, uint32_t slot) {
  const uint8_t *row = code_of(graph, slot);
  RowHead head;
  __builtin_memcpy(&head, row, sizeof head);
  const size_t count = padded(graph.dim);
  const float first = graph.code_bits == 8 ? Ops::dot_u8f32(row + sizeof head, query.values, count)
                                           : Ops::dot_u4f32(row + sizeof head, query.values, count);
  float inner = head.low * query.sum + head.scale * first;
  if (graph.rest_bits != 0) {
    const float second = rest_dot<Ops>(graph, query, slot);
    const float cells = static_cast<float>(1u << graph.rest_bits);
    inner += head.scale / cells * (second - (cells - 1) / 2 * query.sum);
  }
  return query.base + head.bias - query.factor * inner;
}

template <class Ops>
float float_distance(const tercet_graph &graph, const Query &query, uint32_t slot) {
  const uint8_t *row = code_of(graph, slot);
  const size_t count = padded(graph.dim);
  if (graph.code == TERCET_FLOAT32) {
    const float *values = reinterpret_cast<const float *>(row);
    if (graph.metric == TERCET_L2) return Ops::l2_f32(query.values, values, count);
    return query.base - Ops::dot_f32(query.values, values, count);
  }
  const uint16_t *values = reinterpret_cast<const uint16_t *>(row);
  if (graph.metric == TERCET_L2) return Ops::l2_f16(query.values, values, count);
  return query.base - Ops::dot_f16(query.values, values, count);
}

template <class Ops>
float near(const tercet_graph &graph, const Query &query, uint32_t slot) {
  return graph.code == TERCET_LVQ ? lvq_near<Ops>(graph, query, slot) : float_distance<Ops>(graph, query, slot);
}

template <class Ops>
float exact(const tercet_graph &graph, const Query &query, uint32_t slot) {
  return graph.code == TERCET_LVQ ? lvq_exact<Ops>(graph, query, slot) : float_distance<Ops>(graph, query, slot);
}

inline bool visit(Scratch &scratch, uint32_t slot) {
  const uint64_t bit = uint64_t{1} << (slot % 64);
  uint64_t &word = scratch.visited[slot / 64];
  if ((word & bit) != 0) return false;
  word |= bit;
  scratch.touched[scratch.touched_count++] = slot;
  return true;
}

inline void forget_visits(Scratch &scratch) {
  for (size_t i = 0; i < scratch.touched_count; i++) scratch.visited[scratch.touched[i] / 64] = 0;
  scratch.touched_count = 0;
}

inline void fetch(const void *from, size_t bytes) {
  const char *line = static_cast<const char *>(from);
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(line + at);
}

/** Rows that are on their way while one is compared. */
constexpr size_t ahead = 6;

/**
 * Greedy walk with a bounded list of candidates: follows the links of the nearest one not yet followed, until all of
 * the list are. Candidates are in `scratch.beam`, the allowed ones in `scratch.found` where there is a filter.
 * See Malkov & Yashunin 2018, Algorithm 2, on one layer; Subramanya et al. 2019, Algorithm 1.
 */
template <class Ops, class Distance>
void walk_by(const tercet_graph &graph, const Allowed &allowed, Scratch &scratch, Distance distance) {
  Beam &beam = scratch.beam;
  beam.size = scratch.found.size = 0;
  const size_t degree = graph.degree_max;
  const size_t bytes = graph.code_stride;
  uint32_t fresh[256];
  const auto compare = [&](size_t count) {
    size_t nearest = beam.room;
    for (size_t i = 0; i < count && i < ahead; i++) fetch(code_of(graph, fresh[i]), bytes);
    for (size_t i = 0; i < count; i++) {
      if (i + ahead < count) fetch(code_of(graph, fresh[i + ahead]), bytes);
      const Candidate candidate{distance(fresh[i]), fresh[i]};
      if (!(candidate.distance < infinity)) continue;
      const size_t place = take(beam, candidate);
      if (place < nearest) nearest = place;
      if (allowed.words != nullptr && is_allowed(allowed, candidate.slot)) take(scratch.found, candidate);
    }
    scratch.computations += count;
    return nearest;
  };
  size_t count = 0;
  const uint32_t entries = load_word(graph.head + TERCET_HEAD_ENTRIES);
  for (uint32_t i = 0; i < entries; i++) {
    const uint32_t entry = load_word(graph.head + TERCET_HEAD_FIRST_ENTRY + i);
    if (entry < scratch.slots && visit(scratch, entry)) fresh[count++] = entry;
  }
  compare(count);
  for (size_t at = 0; at < beam.size;) {
    Candidate &next = beam.items[at];
    if ((next.slot & expanded) != 0) {
      at++;
      continue;
    }
    const uint32_t *row = links_of(graph, next.slot);
    next.slot |= expanded;
    count = 0;
    for (size_t i = 0; i < degree; i++) {
      const uint32_t slot = load_word(row + i);
      if (slot == TERCET_NONE) break;
      if (slot < scratch.slots && visit(scratch, slot)) fresh[count++] = slot;
    }
    const size_t nearest = compare(count);
    if (nearest <= at) {
      at = nearest;
    } else {
      at++;
    }
    if (at < beam.size) fetch(links_of(graph, beam.items[at].slot & ~expanded), degree * 4);
  }
  for (size_t i = 0; i < beam.size; i++) beam.items[i].slot &= ~expanded;
  forget_visits(scratch);
}

template <class Ops>
void walk(const tercet_graph &graph, const Query &query, const Allowed &allowed, Scratch &scratch) {
  if (graph.code == TERCET_LVQ) {
    walk_by<Ops>(graph, allowed, scratch, [&](uint32_t slot) { return lvq_near<Ops>(graph, query, slot); });
  } else {
    walk_by<Ops>(graph, allowed, scratch, [&](uint32_t slot) { return float_distance<Ops>(graph, query, slot); });
  }
}

/** Compares every live and allowed row; the nearest are in `scratch.beam`. */
template <class Ops>
void scan(const tercet_graph &graph, const Query &query, const Allowed &allowed, Scratch &scratch) {
  scratch.beam.size = 0;
  for (uint32_t slot = 0; slot < scratch.slots; slot++) {
    if (allowed.words != nullptr) {
      if (slot % 32 == 0 && (slot / 32 >= allowed.count || allowed.words[slot / 32] == 0)) {
        slot += 31;
        continue;
      }
      if (!is_allowed(allowed, slot)) continue;
    }
    if ((load_word(graph.states + slot) & TERCET_STATE_LIVE) == 0) continue;
    const float distance = near<Ops>(graph, query, slot);
    scratch.computations++;
    if (distance < infinity) take(scratch.beam, {distance, slot});
  }
}

/** The row at the precision that links are chosen by: 8 bits where the code has them. */
template <class Ops>
WorkRow work_row(const tercet_graph &graph, uint32_t slot, uint8_t *room) {
  const uint8_t *row = code_of(graph, slot);
  RowHead head;
  __builtin_memcpy(&head, row, sizeof head);
  const uint8_t *codes = row + sizeof head;
  WorkRow work{codes, head.scale, head.low, static_cast<double>(head.sum), head.bias};
  if (graph.code_bits == 8) return work;
  const size_t count = padded(graph.dim);
  work.codes = room;
  if (graph.rest_bits == 0) {
    Ops::unpack(codes, nullptr, room, count);
    return work;
  }
  const uint8_t *rest = rest_of(graph, slot);
  if (graph.rest_bits == 8) {
    Ops::unpack(codes, nullptr, room, count);
    for (size_t i = 0; i < count; i++) room[i] = static_cast<uint8_t>(room[i] << 4 | rest[i] >> 4);
  } else {
    Ops::unpack(codes, rest, room, count);
  }
  work.scale = work.scale / 16;
  work.low = work.low - work.scale * 7.5;
  return work;
}

template <class Ops>
float between(const tercet_graph &graph, const WorkRow &a, const WorkRow &b) {
  const double dim = static_cast<double>(graph.dim);
  const double dot = Ops::dot_u8u8(a.codes, b.codes, padded(graph.dim));
  const double inner =
      a.low * b.low * dim + a.low * b.scale * b.sum + b.low * a.scale * a.sum + a.scale * b.scale * dot;
  if (graph.metric == TERCET_L2) return static_cast<float>(a.bias + b.bias - 2 * inner);
  return static_cast<float>((graph.metric == TERCET_COSINE ? 1 : 0) - inner);
}

/** Whether the way over a link already there is short enough: `alpha` > 1 keeps more and longer links. */
inline bool hides(float over, float straight, float alpha) {
  return over >= 0 ? over * alpha < straight : over < straight * alpha;
}

/**
 * Keeps a candidate unless one already kept is nearer to it than the base, by the factor alpha.
 * See Malkov & Yashunin 2018, Algorithm 4; Subramanya et al. 2019, Algorithm 2.
 */
template <class Distance>
size_t prune_by(const tercet_graph &graph, size_t count, size_t degree, Scratch &scratch, Distance distance) {
  const float alpha = static_cast<float>(graph.alpha);
  size_t kept = 0;
  for (size_t i = 0; i < count && kept < degree; i++) {
    bool hidden = false;
    for (size_t j = 0; j < kept && !hidden; j++) {
      hidden = hides(distance(scratch.kept[j], i), scratch.pool[i].distance, alpha);
    }
    if (!hidden) scratch.kept[kept++] = static_cast<uint32_t>(i);
  }
  for (size_t j = 0; j < kept; j++) scratch.kept[j] = scratch.pool[scratch.kept[j]].slot;
  return kept;
}

inline void sort_pool(Candidate *pool, size_t count) {
  for (size_t i = 1; i < count; i++) {
    const Candidate candidate = pool[i];
    size_t at = i;
    for (; at > 0 && pool[at - 1].distance > candidate.distance; at--) pool[at] = pool[at - 1];
    pool[at] = candidate;
  }
}

template <class Ops>
size_t prune_lvq(const tercet_graph &graph, uint32_t base, size_t count, size_t degree, Scratch &scratch) {
  const size_t room = padded(graph.dim);
  const WorkRow origin = work_row<Ops>(graph, base, scratch.rows);
  Candidate *pool = scratch.pool;
  WorkRow rows[pool_max];
  uint32_t slots[pool_max];
  for (size_t i = 0; i < count; i++) {
    slots[i] = pool[i].slot;
    rows[i] = work_row<Ops>(graph, slots[i], scratch.rows + room * (i + 1));
    pool[i] = {between<Ops>(graph, origin, rows[i]), static_cast<uint32_t>(i)};
  }
  sort_pool(pool, count);
  const size_t kept = prune_by(graph, count, degree, scratch, [&](size_t a, size_t b) {
    return between<Ops>(graph, rows[pool[a].slot], rows[pool[b].slot]);
  });
  for (size_t j = 0; j < kept; j++) scratch.kept[j] = slots[scratch.kept[j]];
  return kept;
}

template <class Ops>
float float_between(const tercet_graph &graph, uint32_t a, uint32_t b) {
  const size_t count = padded(graph.dim);
  if (graph.code == TERCET_FLOAT32) {
    const float *x = reinterpret_cast<const float *>(code_of(graph, a));
    const float *y = reinterpret_cast<const float *>(code_of(graph, b));
    if (graph.metric == TERCET_L2) return Ops::l2_f32(x, y, count);
    return (graph.metric == TERCET_COSINE ? 1.0f : 0.0f) - Ops::dot_f32(x, y, count);
  }
  const uint16_t *x = reinterpret_cast<const uint16_t *>(code_of(graph, a));
  const uint16_t *y = reinterpret_cast<const uint16_t *>(code_of(graph, b));
  if (graph.metric == TERCET_L2) return Ops::l2_f16_f16(x, y, count);
  return (graph.metric == TERCET_COSINE ? 1.0f : 0.0f) - Ops::dot_f16_f16(x, y, count);
}

template <class Ops>
size_t prune_float(const tercet_graph &graph, uint32_t base, size_t count, size_t degree, Scratch &scratch) {
  Candidate *pool = scratch.pool;
  for (size_t i = 0; i < count; i++) pool[i].distance = float_between<Ops>(graph, base, pool[i].slot);
  sort_pool(pool, count);
  return prune_by(graph, count, degree, scratch,
                  [&](size_t a, size_t b) { return float_between<Ops>(graph, pool[a].slot, pool[b].slot); });
}

template <class Ops>
size_t prune(const tercet_graph &graph, uint32_t base, size_t count, size_t degree, Scratch &scratch) {
  scratch.computations += count;
  return graph.code == TERCET_LVQ ? prune_lvq<Ops>(graph, base, count, degree, scratch)
                                  : prune_float<Ops>(graph, base, count, degree, scratch);
}

/** Whether a link of `from` that is nearer than `to` is already the way there. */
template <class Ops>
bool covers(const tercet_graph &graph, uint32_t from, uint32_t to, Scratch &scratch) {
  const float alpha = static_cast<float>(graph.alpha);
  const uint32_t *row = links_of(graph, from);
  const bool lvq = graph.code == TERCET_LVQ;
  const size_t room = padded(graph.dim);
  const WorkRow base = lvq ? work_row<Ops>(graph, from, scratch.rows) : WorkRow{};
  const WorkRow end = lvq ? work_row<Ops>(graph, to, scratch.rows + room) : WorkRow{};
  const float straight = lvq ? between<Ops>(graph, base, end) : float_between<Ops>(graph, from, to);
  for (size_t i = 0; i < graph.degree_max; i++) {
    const uint32_t link = load_word(row + i);
    if (link == TERCET_NONE) break;
    const WorkRow over = lvq ? work_row<Ops>(graph, link, scratch.rows + 2 * room) : WorkRow{};
    scratch.computations++;
    if (!hides(lvq ? between<Ops>(graph, over, end) : float_between<Ops>(graph, link, to), straight, alpha)) continue;
    if ((lvq ? between<Ops>(graph, base, over) : float_between<Ops>(graph, from, link)) <= straight) return true;
  }
  return false;
}

template <class Ops>
constexpr GraphVariant variant_of(const char *name) {
  return {name, walk<Ops>, scan<Ops>, near<Ops>, exact<Ops>, prune<Ops>, covers<Ops>};
}
