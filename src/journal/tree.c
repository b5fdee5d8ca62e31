/* Holdfast: the RFC 6962 tree over the journal's records, grown one leaf at a time. */
#include "journal/format_priv.h"

enum { PREFIX_LEAF = 0, PREFIX_NODE = 1 };

void tree_leaf(const uint8_t *record_header, uint8_t leaf[HASH_SIZE])
{
    const uint8_t prefix = PREFIX_LEAF;

    digest_once2(DIGEST_SHA256, &prefix, 1, record_header, RECORD_HEADER_SIZE, leaf);
}

static void tree_node(const uint8_t *left, const uint8_t *right, uint8_t out[HASH_SIZE])
{
    uint8_t in[1 + 2 * HASH_SIZE];

    in[0] = PREFIX_NODE;
    memcpy(in + 1, left, HASH_SIZE);
    memcpy(in + 1 + HASH_SIZE, right, HASH_SIZE);
    digest_once(DIGEST_SHA256, in, sizeof(in), out);
}

/* As a binary counter carries: two perfect subtrees of a size make one of the next. */
void tree_add(struct tree *t, const uint8_t leaf[HASH_SIZE])
{
    uint8_t carry[HASH_SIZE];
    unsigned k = 0;

    memcpy(carry, leaf, HASH_SIZE);
    while ((t->n >> k) & 1) {
        tree_node(t->peak[k], carry, carry);
        k++;
    }
    HF_ASSERT(k < TREE_PEAKS_MAX);
    memcpy(t->peak[k], carry, HASH_SIZE);
    t->n++;
}

/* The smaller peaks lie to the right: fold from the smallest up. */
void tree_root(const struct tree *t, uint8_t root[HASH_SIZE])
{
    bool any = false;

    if (t->n == 0)
        digest_once(DIGEST_SHA256, "", 0, root);
    for (unsigned k = 0; k < TREE_PEAKS_MAX; k++) {
        if (!((t->n >> k) & 1))
            continue;
        if (any)
            tree_node(t->peak[k], root, root);
        else
            memcpy(root, t->peak[k], HASH_SIZE);
        any = true;
    }
}

void tree_copy(struct tree *dst, const struct tree *src)
{
    dst->n = src->n;
    for (unsigned k = 0; k < TREE_PEAKS_MAX && (src->n >> k) != 0; k++)
        memcpy(dst->peak[k], src->peak[k], HASH_SIZE);
}
