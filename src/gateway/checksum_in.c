/* The five checksums by their names, and their base64 text. */
#include <stdio.h>

#include "gateway/parse_priv.h"

static const struct {
    const char *name, *header, *element;
    size_t size;
} kinds[] = {
    [CHECKSUM_NONE] = {"", "", "", 0},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
};
#define KINDS (sizeof kinds / sizeof *kinds)

enum checksum_kind gw_checksum_kind(struct view name)
{
    for (size_t i = 1; i < KINDS; i++)
        if (view_ieqs(name, kinds[i].name))
            return (enum checksum_kind)i;
    return CHECKSUM_NONE;
}

const char *gw_checksum_name(enum checksum_kind k)
{
    return kinds[k].name;
}

const char *gw_checksum_header(enum checksum_kind k)
{
    return kinds[k].header;
}

const char *gw_checksum_element(enum checksum_kind k)
{
    return kinds[k].element;
}

size_t gw_checksum_size(enum checksum_kind k)
{
    return kinds[k].size;
}

enum rc gw_checksum_parse(enum checksum_kind k, struct view text, struct checksum *ret)
{
    struct checksum c = {.kind = k, .size = (uint8_t)kinds[k].size};
    text = view_trim(text);
    size_t dash = view_find(text, '-', 0);
    if (dash != SIZE_MAX) {
        uint64_t parts = 0;
        if (!view_u64(view_sub(text, dash + 1, text.n), &parts) || parts < 1 || parts > PARTS_MAX)
            return RC_INVALID;
        c.composite = true;
        text = view_sub(text, 0, dash);
    }
    size_t n = 0;
    if (k == CHECKSUM_NONE || base64_decode(text, c.value, sizeof c.value, &n) != RC_OK || n != c.size)
        return RC_INVALID;
    *ret = c;
    return RC_OK;
}

const char *gw_checksum_text(const struct checksum *c, uint32_t parts, char *buf)
{
    HF_ASSERT(c->size <= CHECKSUM_MAX);
    base64_encode(c->value, c->size, buf);
    size_t n = strlen(buf);
    if (c->composite)
        (void)snprintf(buf + n, CHECKSUM_TEXT_MAX - n, "-%u", parts);
    return buf;
}
