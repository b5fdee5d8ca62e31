/* Holdfast: no XML body breaks a parser, and what one accepts keeps S3's limits. */
#include "gateway/parse_priv.h"

#define ARENA_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_delete(struct view doc, struct arena *a)
{
    struct delete_list l;
    if (gw_xml_delete(doc, a, &l) != RC_OK)
        return;
    HF_ASSERT(l.n > 0 && l.n <= DELETE_MANY_MAX);
    for (size_t i = 0; i < l.n; i++)
        HF_ASSERT(l.items[i].key.n > 0 && utf8_valid(l.items[i].key));
}

static void check_complete(struct view doc, struct arena *a)
{
    struct part_list l;
    if (gw_xml_complete(doc, a, &l) != RC_OK)
        return;
    HF_ASSERT(l.n > 0 && l.n <= PARTS_MAX);
    for (size_t i = 0; i < l.n; i++)
        HF_ASSERT(l.parts[i].number >= 1 && l.parts[i].number <= PARTS_MAX);
}

/* What is accepted can be kept and read back as the same tags. */
static void check_tagging(struct view doc, struct arena *a)
{
    struct tag_list t, again;
    const char *code, *message;
    struct view text;
    if (gw_xml_tagging(doc, BUCKET_TAGS_MAX, a, &t, &code, &message) != RC_OK)
        return;
    HF_ASSERT(gw_tags_text(&t, a, &text) == RC_OK);
    HF_ASSERT(gw_tags_parse(text, BUCKET_TAGS_MAX, a, &again, &code, &message) == RC_OK);
    HF_ASSERT(t.n == again.n);
    for (size_t i = 0; i < t.n; i++)
        HF_ASSERT(view_eq(t.tag[i].key, again.tag[i].key) && view_eq(t.tag[i].value, again.tag[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = ARENA(ARENA_MAX);
    struct view doc = view_of(data, size), location;
    enum versioning v;
    check_delete(doc, &a);
    check_complete(doc, &a);
    check_tagging(doc, &a);
    if (gw_xml_versioning(doc, &v) == RC_OK)
        HF_ASSERT(v == VERSIONING_ON || v == VERSIONING_SUSPENDED);
    if (gw_xml_location(doc, &a, &location) == RC_OK)
        HF_ASSERT(utf8_valid(location));
    arena_free(&a);
    return 0;
}
