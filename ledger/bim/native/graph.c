/* Digests of entities in the order of their dependencies: section 5. */
#include "scan.h"

/* What describes what */

void find_describers(scan *s) {
    uint32_t total = 0;
    for (uint32_t x = 0; x < s->count; x++) total += (s->flags[x] & DESCRIBES) != 0;
    s->describers = make(s, total, sizeof *s->describers);
    for (uint32_t x = 0; x < s->count; x++) {
        cursor c = references_of(s, x);
        uint32_t describing = NONE, target;
        int names = 0;
        if (s->flags[x] & DESCRIBES) describing = rule_of(s, x)->describes;
        while ((target = next_reference(&c)) != NONE) {
            if (describing == NONE || c.parameter != describing) {
                s->flags[target] |= IS_REFERENCED;
                continue;
            }
            uint64_t pair = (uint64_t)target << 32 | s->describer_count;
            memcpy(extend(s, &s->fold_memory, 8), &pair, 8);
            names = 1;
        }
        if (names)
            s->describers[s->describer_count++] = x;
        else
            s->flags[x] &= (uint8_t)~DESCRIBES;
    }
    s->folds = (uint64_t *)(void *)s->fold_memory.at;
    s->fold_count = s->fold_memory.used / 8;
    sort_words(s, s->folds, s->fold_count);
    size_t kept = 0;
    for (size_t i = 0; i < s->fold_count; i++)
        if (i == 0 || s->folds[i] != s->folds[i - 1]) s->folds[kept++] = s->folds[i];
    s->fold_count = kept;
    for (size_t i = 0; i < kept; i++) {
        uint32_t target = (uint32_t)(s->folds[i] >> 32);
        s->flags[target] |= IS_DESCRIBED;
        read_again(s, target);
    }
}

size_t first_fold(const scan *s, uint32_t target) {
    size_t low = 0, high = s->fold_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->folds[middle] >> 32 < target)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const uint8_t *inverse_digest(const scan *s, uint32_t describer, manner how) {
    if (how == AS_CONTENT && s->states[s->count + describer] & TAINTED)
        return s->content + (size_t)s->inverse_slots[describer] * 32;
    return s->inverses + (size_t)describer * 32;
}

/* One digest */

void put_folded(scan *s, uint32_t entity, manner how) {
    if (!(s->flags[entity] & IS_DESCRIBED)) {
        put32(s, 0);
        return;
    }
    s->digest_keys.used = 0;
    for (size_t i = first_fold(s, entity); i < s->fold_count && s->folds[i] >> 32 == entity; i++)
        memcpy(extend(s, &s->digest_keys, 32), inverse_digest(s, (uint32_t)s->folds[i], how), 32);
    put_sorted(s);
}

/* The parameters of an entity, one or two of them as a letter. */
void put_parameters(scan *s, const uint8_t *at, const uint8_t *end, uint32_t from, uint32_t to, char letter,
                    manner how) {
    for (uint32_t index = 0; at < end; index++) {
        const uint8_t *next = behind_parameter(at, end);
        if (index >= from && index < to)
            put(s, &letter, 1);
        else
            put_operations(s, at, next, how);
        at = next;
    }
}

void digest_node(scan *s, uint32_t node, manner how, uint8_t *digest) {
    int inverse = node >= s->count;
    uint32_t entity = inverse ? s->describers[node - s->count] : node;
    const uint8_t *piece = piece_of(s, entity);
    piece_head head;
    memcpy(&head, piece, sizeof head);
    const uint8_t *at = piece + sizeof head, *end = at + head.length;
    begin_digest(s, inverse ? 'i' : 'e');
    if (!(s->flags[entity] & IS_COMPLEX)) {
        put_keyword(s, entity);
        put32(s, head.parameters);
    }
    if (inverse) {
        uint32_t describing = rule_of(s, entity)->describes;
        put_parameters(s, at, end, describing, describing + 1, 'Z', how);
    } else if (s->flags[entity] & IS_ROOTED) {
        put_parameters(s, at, end, 0, 2, 'N', AS_PLAIN);
    } else {
        put_operations(s, at, end, how);
    }
    if (!inverse && s->flags[entity] & IS_ROOTED)
        put32(s, 0);
    else
        put_folded(s, entity, how);
    end_digest(s, digest);
}

/* All of them, dependencies first, without calling itself */

frame enter(const scan *s, uint32_t node) {
    frame f = {references_of(s, node_entity(s, node)), SIZE_MAX, node, 0};
    return f;
}

uint32_t next_child(const scan *s, frame *f) {
    uint32_t entity = node_entity(s, f->node), target;
    int inverse = f->node >= s->count, rooted = s->flags[entity] & IS_ROOTED;
    if (f->fold == SIZE_MAX) {
        uint32_t describing = inverse ? rule_of(s, entity)->describes : NONE;
        while ((target = next_reference(&f->references)) != NONE) {
            if (rooted ? f->references.parameter < 2 : inverse && f->references.parameter == describing) continue;
            if (!(s->flags[target] & IS_ROOTED)) return target;
            f->taint = 1;
            if (!rooted && s->flags[target] & IS_REPEATED) return target;
        }
        f->fold = rooted || !(s->flags[entity] & IS_DESCRIBED) ? s->fold_count : first_fold(s, entity);
    }
    if (f->fold >= s->fold_count || s->folds[f->fold] >> 32 != entity) return NONE;
    return s->count + (uint32_t)s->folds[f->fold++];
}

static void push(scan *s, uint32_t node) {
    frame f = enter(s, node);
    memcpy(extend(s, &s->frames, sizeof f), &f, sizeof f);
    s->states[node] |= ACTIVE;
}

static void finish(scan *s, const frame *f) {
    uint32_t node = f->node;
    uint8_t *digest = node < s->count ? s->digests + (size_t)node * 32 : s->inverses + (size_t)(node - s->count) * 32;
    digest_node(s, node, AS_ROOT, digest);
    s->states[node] = (uint8_t)(DONE | (f->taint ? TAINTED : 0));
    if (f->taint && !(s->flags[node_entity(s, node)] & IS_ROOTED)) s->tainted[s->tainted_count++] = node;
}

/* Returns 0 where it comes back to what it is in. */
static int digest_from(scan *s, uint32_t root) {
    s->frames.used = 0;
    push(s, root);
    while (s->frames.used > 0) {
        frame *top = (frame *)(void *)(s->frames.at + s->frames.used - sizeof *top);
        uint32_t child = next_child(s, top);
        if (child == NONE) {
            uint32_t taint = top->taint;
            finish(s, top);
            s->frames.used -= sizeof *top;
            if (s->frames.used > 0) ((frame *)(void *)(s->frames.at + s->frames.used - sizeof *top))->taint |= taint;
        } else if (s->states[child] & DONE) {
            top->taint |= (s->states[child] & TAINTED) != 0;
        } else if (s->states[child] & ACTIVE) {
            return 0;
        } else {
            push(s, child);
        }
    }
    return 1;
}

static int digest_all(scan *s) {
    uint32_t nodes = s->count + s->describer_count;
    memset(s->states, 0, nodes);
    for (uint32_t i = 0; i < s->count; i++)
        if (s->pieces[i] == NONE) s->states[i] = DONE;
    s->tainted_count = 0;
    for (uint32_t node = 0; node < nodes; node++)
        if (!(s->states[node] & DONE) && !digest_from(s, node)) return 0;
    return 1;
}

void digest_everything(scan *s) {
    size_t nodes = (size_t)s->count + s->describer_count;
    if (nodes >= NONE) fail(s, BIM_NO_MEMORY, 0);
    s->states = make(s, nodes, 1);
    s->inverses = make(s, s->describer_count, 32);
    s->tainted = make(s, nodes, sizeof *s->tainted);
    if (s->parent_cycle != NONE || !digest_all(s)) {
        unfold_cycles(s);
        if (s->parent_cycle != NONE || !digest_all(s)) {
            uint32_t lowest = lowest_on_cycle(s);
            fail(s, BIM_CYCLE, s->offsets[lowest < s->parent_cycle ? lowest : s->parent_cycle]);
        }
    }
    s->inverse_slots = make(s, s->describer_count, sizeof *s->inverse_slots);
    for (uint32_t i = 0; i < s->tainted_count; i++) {
        uint32_t node = s->tainted[i];
        if (node < s->count)
            s->slots[node] = i;
        else
            s->inverse_slots[node - s->count] = i;
    }
    s->content = make(s, s->tainted_count, 32);
}
