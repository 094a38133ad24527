/* Parent placements, and cycles: section 4 and 5. */
#include <stdlib.h>

#include "scan.h"

/* The one reference that a parameter is, or NULL. */
static uint8_t *direct_reference(const scan *s, uint32_t entity, uint32_t parameter) {
    cursor c = references_of(s, entity);
    const uint8_t *at = c.at, *next = NULL;
    for (uint32_t index = 0; at < c.end; index++, at = next) {
        next = behind_parameter(at, c.end);
        if (index < parameter) continue;
        if ((at[1] == OP_REFERENCE && next == at + 6) || (at[1] == OP_FAR && next == at + 10))
            return s->code.at + (at - s->code.at) + 1;
        return NULL;
    }
    return NULL;
}

static size_t first_pair(const uint64_t *pairs, size_t count, uint32_t first) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pairs[middle] >> 32 < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of what each refers to as parent, the lowest entity on a cycle. Each entity has one parent or none. */
static uint32_t lowest_on_ring(const uint64_t *pairs, size_t count, uint32_t *walks) {
    uint32_t lowest = NONE, walk = 0;
    for (size_t begin = 0; begin < count; begin++) {
        size_t i = begin;
        walk++;
        while (walks[i] == 0) {
            walks[i] = walk;
            uint32_t parent = (uint32_t)pairs[i];
            size_t low = first_pair(pairs, count, parent);
            if (low == count || pairs[low] >> 32 != parent) goto next;
            i = low;
        }
        if (walks[i] == walk) { /* i is on a ring that no walk before has met */
            size_t j = i;
            do {
                uint32_t entity = (uint32_t)(pairs[j] >> 32), parent = (uint32_t)pairs[j];
                if (entity < lowest) lowest = entity;
                j = first_pair(pairs, count, parent);
            } while (j != i);
        }
    next:;
    }
    return lowest;
}

/* References to parent placements become references to their owners. */
void resolve_parents(scan *s) {
    size_t parent_count = 0, owner_count = 0;
    bytes *parents = &s->places, *owners = &s->digest_keys;
    parents->used = owners->used = 0;
    for (uint32_t x = 0; x < s->count; x++) {
        const rule *known = s->pieces[x] == NONE ? NULL : rule_of(s, x);
        if (known == NULL || (known->parent == NONE && known->placement == NONE)) continue;
        int rooted = s->flags[x] & IS_ROOTED;
        const uint8_t *at = direct_reference(s, x, rooted ? known->placement : known->parent);
        if (at == NULL) continue;
        uint64_t target = load32(at + 1);
        uint64_t pair = rooted ? target << 32 | x : (uint64_t)x << 32 | target;
        memcpy(extend(s, rooted ? owners : parents, 8), &pair, 8);
        if (rooted)
            owner_count++;
        else
            parent_count++;
    }
    uint64_t *pairs = (uint64_t *)(void *)parents->at, *by_placement = (uint64_t *)(void *)owners->at;
    s->scratch[0] = make(s, parent_count, sizeof(uint32_t));
    s->parent_cycle = lowest_on_ring(pairs, parent_count, s->scratch[0]);
    free(s->scratch[0]);
    s->scratch[0] = NULL;
    sort_words(s, by_placement, owner_count);
    for (size_t i = 0; i < parent_count; i++) {
        uint32_t placement = (uint32_t)pairs[i];
        size_t first = first_pair(by_placement, owner_count, placement);
        if (first == owner_count || by_placement[first] >> 32 != placement) continue;
        if (first + 1 < owner_count && by_placement[first + 1] >> 32 == placement) continue;
        uint32_t x = (uint32_t)(pairs[i] >> 32);
        store32(direct_reference(s, x, rule_of(s, x)->parent) + 1, (uint32_t)by_placement[first]);
    }
    parents->used = owners->used = 0;
}

/* Strongly connected components (Tarjan), without calling itself. `component` of each node: the same number for
 * nodes on a common cycle, NONE for nodes on none. */
typedef struct {
    uint32_t *seen, *low, *component, *waiting;
    uint32_t time, waiting_count, components;
} walk;

static void close_component(walk *w, uint32_t node, int loops) {
    uint32_t size = 0, member;
    do {
        member = w->waiting[--w->waiting_count];
        w->component[member] = w->components;
        w->low[member] = NONE; /* off the stack */
        size++;
    } while (member != node);
    if (size == 1 && !loops) w->component[node] = NONE;
    w->components++;
}

static void walk_from(scan *s, walk *w, uint32_t root, uint8_t *loops) {
    frame f = enter(s, root);
    s->frames.used = 0;
    memcpy(extend(s, &s->frames, sizeof f), &f, sizeof f);
    w->seen[root] = w->low[root] = ++w->time;
    w->waiting[w->waiting_count++] = root;
    while (s->frames.used > 0) {
        frame *top = (frame *)(void *)(s->frames.at + s->frames.used - sizeof *top);
        uint32_t node = top->node, child = next_child(s, top);
        if (child == NONE) {
            if (w->low[node] == w->seen[node]) close_component(w, node, loops[node]);
            s->frames.used -= sizeof *top;
            if (s->frames.used > 0) {
                uint32_t above = ((frame *)(void *)(s->frames.at + s->frames.used - sizeof *top))->node;
                if (w->low[node] < w->low[above]) w->low[above] = w->low[node];
            }
        } else if (w->seen[child] == 0) {
            f = enter(s, child);
            memcpy(extend(s, &s->frames, sizeof f), &f, sizeof f);
            w->seen[child] = w->low[child] = ++w->time;
            w->waiting[w->waiting_count++] = child;
        } else {
            if (child == node) loops[node] = 1;
            if (w->low[child] != NONE && w->seen[child] < w->low[node]) w->low[node] = w->seen[child];
        }
    }
}

static const uint32_t *components(scan *s) {
    uint32_t nodes = s->count + s->describer_count;
    uint32_t *memory = s->scratch[0] = make(s, nodes, 4 * sizeof *memory);
    uint8_t *loops = s->scratch[1] = make(s, nodes, 1);
    walk w = {memory + nodes, memory + (size_t)nodes * 2, memory, memory + (size_t)nodes * 3, 0, 0, 0};
    memset(w.component, 0xff, (size_t)nodes * sizeof *memory);
    for (uint32_t node = 0; node < nodes; node++)
        if (w.seen[node] == 0) walk_from(s, &w, node, loops);
    return memory;
}

static void leave_components(scan *s) {
    for (int i = 0; i < 2; i++) {
        free(s->scratch[i]);
        s->scratch[i] = NULL;
    }
}

static uint32_t describer_of(const scan *s, uint32_t entity) {
    uint32_t low = 0, high = s->describer_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->describers[middle] == entity) return middle;
        if (s->describers[middle] < entity)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

/* What describes something on a common cycle with it isn't folded into it. */
void unfold_cycles(scan *s) {
    const uint32_t *component = components(s);
    size_t kept = 0;
    for (size_t i = 0; i < s->fold_count; i++) {
        uint32_t target = (uint32_t)(s->folds[i] >> 32), describer = (uint32_t)s->folds[i];
        uint32_t own = component[s->count + describer], as_describer = describer_of(s, target);
        if (own != NONE && !(s->flags[target] & IS_ROOTED) &&
            (component[target] == own || (as_describer != NONE && component[s->count + as_describer] == own)))
            s->flags[s->describers[describer]] |= KEPT_OUT;
        else
            s->folds[kept++] = s->folds[i];
    }
    s->fold_count = kept;
    leave_components(s);
}

uint32_t lowest_on_cycle(scan *s) {
    const uint32_t *component = components(s);
    uint32_t lowest = NONE;
    for (uint32_t node = 0; node < s->count + s->describer_count; node++) {
        uint32_t entity = node_entity(s, node);
        if (component[node] != NONE && entity < lowest) lowest = entity;
    }
    leave_components(s);
    return lowest;
}
