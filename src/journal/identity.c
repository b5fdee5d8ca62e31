/* Holdfast: the file `identity` on a disk: equal sectors, each with its checksum, so any one of them heals the others.
 */
#include "codec/codec.h"
#include "journal/diskset_priv.h"

enum { FORMAT = 1, SECTOR = 512, SECTORS = 8 };
enum { AT_STORE = 8, AT_DISK = 24, AT_SLOT = 40, AT_COPIES = 44, AT_SUM = SECTOR - XXH_SIZE };
static const uint8_t magic[4] = {'H', 'F', 'I', '1'};

static void sector_encode(uint8_t *dst, const struct identity *id)
{
    memset(dst, 0, SECTOR);
    memcpy(dst, magic, sizeof(magic));
    dst[4] = FORMAT;
    memcpy(dst + AT_STORE, id->store, UUID_SIZE);
    memcpy(dst + AT_DISK, id->disk, UUID_SIZE);
    le32_put(dst + AT_SLOT, id->slot);
    le32_put(dst + AT_COPIES, id->copies);
    xxh128(dst, AT_SUM, 0, dst + AT_SUM);
}

static bool sector_decode(const uint8_t *src, struct identity *ret)
{
    uint8_t sum[XXH_SIZE];

    xxh128(src, AT_SUM, 0, sum);
    if (memcmp(src, magic, sizeof(magic)) != 0 || src[4] != FORMAT || memcmp(sum, src + AT_SUM, XXH_SIZE) != 0)
        return false;
    memcpy(ret->store, src + AT_STORE, UUID_SIZE);
    memcpy(ret->disk, src + AT_DISK, UUID_SIZE);
    ret->slot = le32_get(src + AT_SLOT);
    ret->copies = le32_get(src + AT_COPIES);
    return ret->slot < DISKS_MAX && ret->copies > 0 && ret->copies <= DISKS_MAX;
}

static enum rc identity_path(const char *disk_path, char *dst, struct err *e)
{
    if (!os_path(dst, disk_path, "identity"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", disk_path);
    return RC_OK;
}

enum rc identity_read(struct os *os, const char *disk_path, struct identity *ret, bool *ret_damaged, struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t bytes[SECTOR * SECTORS + 1] = {0};
    const uint8_t *good = NULL;
    struct os_file *f;
    struct iovec iov = {bytes, sizeof(bytes)};
    size_t n;
    enum rc rc;

    HF_TRY(identity_path(disk_path, path, e));
    HF_TRY(os_open(os, path, OS_READ, &f, e));
    rc = os_preadv(os, f, &iov, 1, 0, &n, e);
    os_close(os, f);
    HF_TRY(rc);
    for (unsigned i = 0; i < SECTORS && !good; i++)
        if (sector_decode(bytes + (size_t)i * SECTOR, ret))
            good = bytes + (size_t)i * SECTOR;
    if (!good)
        return err_set(e, RC_CORRUPT, "%s: every copy in it is damaged", path);
    *ret_damaged = n != SECTOR * SECTORS;
    for (unsigned i = 0; i < SECTORS; i++)
        *ret_damaged = *ret_damaged || memcmp(bytes + (size_t)i * SECTOR, good, SECTOR) != 0;
    return RC_OK;
}

enum rc identity_write(struct os *os, const char *disk_path, const struct identity *id, struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t bytes[SECTOR * SECTORS];

    HF_TRY(identity_path(disk_path, path, e));
    for (unsigned i = 0; i < SECTORS; i++)
        sector_encode(bytes + (size_t)i * SECTOR, id);
    return os_write_file(os, path, view_of(bytes, sizeof(bytes)), e);
}
