/* Holdfast: whatever another cloud answers, and whatever a target's URL says, is read without harm. The first byte
 * picks the reader. What a list gives must be whole: keys, and a place to go on when there is more. */
#include "cloud/cloud_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_list(struct view doc, bool versions)
{
    struct arena a = ARENA(16 << 20);
    struct cloud_listed l;

    if (cloud_list_read(doc, versions, &a, &l, NULL) == RC_OK) {
        for (size_t i = 0; i < l.n; i++)
            HF_ASSERT(l.entry[i].key.n > 0);
        HF_ASSERT(!l.truncated || l.next.p);
    }
    arena_free(&a);
}

static void read_small(struct view doc)
{
    char text[64];
    bool on;
    struct cloud_fault f;
    struct buf tags = BUF(1 << 20);

    if (cloud_upload_read(doc, text, sizeof(text), NULL) == RC_OK)
        HF_ASSERT(text[0] && strlen(text) < sizeof(text));
    if (cloud_complete_read(doc, text, sizeof(text), NULL) == RC_OK)
        HF_ASSERT(strlen(text) < sizeof(text));
    (void)!cloud_versioning_read(doc, &on, NULL);
    if (cloud_tags_read(doc, &tags, NULL) != RC_OK)
        HF_ASSERT(tags.n == 0);
    buf_free(&tags);
    if (cloud_fault_read(doc, &f))
        HF_ASSERT(f.code[0] && !strchr(f.message, '\n'));
}

static void read_target(struct view url)
{
    struct cloud_target t;

    if (cloud_target_parse(url, NULL, &t, NULL) == RC_OK)
        HF_ASSERT(t.host[0] && t.bucket[0] && t.region[0] && t.port > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct view doc = view_of(data + 1, size - 1);
    switch (data[0]) {
    case 'l':
        read_list(doc, false);
        break;
    case 'v':
        read_list(doc, true);
        break;
    case 't':
        read_target(doc);
        break;
    default:
        read_small(doc);
    }
    return 0;
}
