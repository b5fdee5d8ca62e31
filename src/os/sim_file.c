/* Holdfast: one file in memory: what it is, what of it is durable, and what a power cut leaves. */
#include "os/sim_priv.h"

#include <stdlib.h>

#define ALL_SECTORS 0xffu

static uint64_t page_of(uint64_t off)
{
    return off / SIM_PAGE;
}

static uint64_t pages_for(uint64_t bytes)
{
    return (bytes + SIM_PAGE - 1) / SIM_PAGE;
}

static void pages_grow(struct sim_node *n, uint64_t want)
{
    if (want <= n->n_pages)
        return;
    uint64_t cap = n->n_pages * 2 > want ? n->n_pages * 2 : want;
    struct sim_page *p = sim_alloc(cap * sizeof *p);
    if (n->n_pages > 0)
        memcpy(p, n->pages, n->n_pages * sizeof *p);
    free(n->pages);
    n->pages = p;
    n->n_pages = cap;
}

static void page_charge(struct sim_node *n, struct sim_page *p, bool allocated)
{
    if (p->allocated == allocated)
        return;
    p->allocated = allocated;
    if (allocated)
        n->disk->used_pages++;
    else
        n->disk->used_pages--;
}

static void note_dirty(struct sim_node *n, uint64_t page)
{
    if (page < n->dirty_lo)
        n->dirty_lo = page;
    if (page >= n->dirty_hi)
        n->dirty_hi = page + 1;
}

static bool coin(struct sim_random *r)
{
    return sim_random_below(r, 2) != 0;
}

static uint8_t *image_copy(const uint8_t *image)
{
    uint8_t *copy = sim_alloc(SIM_PAGE);
    if (image != NULL)
        memcpy(copy, image, SIM_PAGE);
    return copy;
}

/* A sector that is overwritten before it was synced may have reached the disk in between: sometimes keep what it was.
 */
static void keep_between(struct sim_page *p, uint8_t sectors, struct sim_random *r)
{
    for (unsigned s = 0; s < SIM_PAGE_SECTORS; s++) {
        uint8_t bit = (uint8_t)(1u << s);
        if (!(p->dirty & sectors & bit) || !coin(r))
            continue;
        if (p->mid == NULL)
            p->mid = sim_alloc(SIM_PAGE);
        if (p->now != NULL)
            memcpy(p->mid + s * SIM_SECTOR, p->now + s * SIM_SECTOR, SIM_SECTOR);
        else
            memset(p->mid + s * SIM_SECTOR, 0, SIM_SECTOR);
        p->between |= bit;
    }
}

/* Parts now from disk and marks the sectors as unsynced. After it, now may be NULL (zeros) and is the caller's to
 * change. */
static void page_touch(struct sim_node *n, uint64_t index, uint8_t sectors, struct sim_random *r)
{
    struct sim_page *p = &n->pages[index];
    if (p->dirty == 0) {
        p->disk = p->now;
        p->now = p->now ? image_copy(p->now) : NULL;
    } else {
        keep_between(p, sectors, r);
    }
    p->dirty |= sectors;
    note_dirty(n, index);
}

static uint8_t sectors_of(size_t from, size_t len)
{
    unsigned first = (unsigned)(from / SIM_SECTOR), last = (unsigned)((from + len - 1) / SIM_SECTOR);
    return (uint8_t)((ALL_SECTORS >> (SIM_PAGE_SECTORS - 1 - (last - first))) << first);
}

size_t sim_file_read(const struct sim_node *n, uint64_t off, void *dst, size_t len)
{
    if (off >= n->size)
        return 0;
    if (len > n->size - off)
        len = (size_t)(n->size - off);
    for (size_t done = 0; done < len;) {
        uint64_t index = page_of(off + done);
        size_t from = (size_t)((off + done) % SIM_PAGE), piece = SIM_PAGE - from;
        if (piece > len - done)
            piece = len - done;
        const uint8_t *image = index < n->n_pages ? n->pages[index].now : NULL;
        if (image != NULL)
            memcpy((uint8_t *)dst + done, image + from, piece);
        else
            memset((uint8_t *)dst + done, 0, piece);
        done += piece;
    }
    return len;
}

enum rc sim_file_room(const struct sim_node *n, uint64_t off, uint64_t len)
{
    if (off > SIM_FILE_MAX || len > SIM_FILE_MAX - off)
        return RC_LIMIT;
    uint64_t lacks = 0;
    for (uint64_t i = page_of(off); len > 0 && i <= page_of(off + len - 1); i++)
        lacks += i >= n->n_pages || !n->pages[i].allocated;
    if (lacks == 0)
        return RC_OK;
    const struct sim_disk *d = n->disk;
    if (d->state == OS_SIM_DISK_FULL || d->used_pages > d->capacity_pages || lacks > d->capacity_pages - d->used_pages)
        return RC_FULL;
    return RC_OK;
}

void sim_file_write(struct sim_node *n, uint64_t off, const void *src, size_t len, struct sim_random *r)
{
    if (len == 0)
        return;
    pages_grow(n, pages_for(off + len));
    for (size_t done = 0; done < len;) {
        uint64_t index = page_of(off + done);
        size_t from = (size_t)((off + done) % SIM_PAGE), piece = SIM_PAGE - from;
        if (piece > len - done)
            piece = len - done;
        page_touch(n, index, sectors_of(from, piece), r);
        struct sim_page *p = &n->pages[index];
        if (p->now == NULL)
            p->now = sim_alloc(SIM_PAGE);
        memcpy(p->now + from, (const uint8_t *)src + done, piece);
        page_charge(n, p, true);
        done += piece;
    }
    if (off + len > n->size)
        n->size = off + len;
}

void sim_file_reserve(struct sim_node *n, uint64_t size)
{
    pages_grow(n, pages_for(size));
    for (uint64_t i = 0; i < pages_for(size); i++) {
        if (n->pages[i].allocated)
            continue;
        page_charge(n, &n->pages[i], true);
        note_dirty(n, i);
    }
}

/* Zeros [off, off+len), giving whole pages back to the disk. */
static void zero_range(struct sim_node *n, uint64_t off, uint64_t len, struct sim_random *r)
{
    uint64_t end = off + len, held = n->n_pages * SIM_PAGE;
    if (end > held)
        end = held;
    while (off < end) {
        uint64_t index = page_of(off);
        size_t from = (size_t)(off % SIM_PAGE), piece = SIM_PAGE - from;
        if (piece > end - off)
            piece = (size_t)(end - off);
        struct sim_page *p = &n->pages[index];
        if (p->now != NULL || p->allocated)
            page_touch(n, index, sectors_of(from, piece), r);
        if (piece == SIM_PAGE) {
            free(p->now);
            p->now = NULL;
            page_charge(n, p, false);
        } else if (p->now != NULL) {
            memset(p->now + from, 0, piece);
        }
        off += piece;
    }
}

void sim_file_truncate(struct sim_node *n, uint64_t size, struct sim_random *r)
{
    if (size < n->size) {
        zero_range(n, size, UINT64_MAX - size, r);
        if (size < n->floor && size < n->size_disk)
            n->floor = size;
    }
    n->size = size;
}

void sim_file_punch(struct sim_node *n, uint64_t off, uint64_t len, struct sim_random *r)
{
    zero_range(n, off, len, r);
}

/* What the page is, it is on disk too. */
static void page_settle(struct sim_page *p)
{
    if (p->dirty != 0 && p->disk != p->now)
        free(p->disk);
    free(p->mid);
    p->disk = p->now;
    p->mid = NULL;
    p->dirty = 0;
    p->between = 0;
    p->allocated_disk = p->allocated;
}

static void file_settled(struct sim_node *n)
{
    n->size_disk = n->size;
    n->floor = UINT64_MAX;
    n->dirty_lo = UINT64_MAX;
    n->dirty_hi = 0;
}

void sim_file_sync(struct sim_node *n)
{
    if (n->poisoned)
        return;
    for (uint64_t i = n->dirty_lo; i < n->dirty_hi; i++)
        page_settle(&n->pages[i]);
    file_settled(n);
}

bool sim_file_is_dirty(const struct sim_node *n)
{
    return n->dirty_lo < n->dirty_hi || n->size != n->size_disk;
}

/* How a file's size comes out of a cut. */
struct cut_size {
    bool truncated; /* it was cut below its synced size since then */
    bool last;      /* the newest size won */
    uint64_t size;
};

static struct cut_size choose_size(const struct sim_node *n, struct sim_random *r)
{
    struct cut_size c = {.truncated = n->floor != UINT64_MAX, .last = coin(r)};
    c.size = c.last ? n->size : n->size_disk;
    /* An append that was growing when the power went may have got anywhere. */
    if (!c.truncated && n->size > n->size_disk && sim_random_below(r, 3) == 0)
        c.size = n->size_disk + sim_random_below(r, n->size - n->size_disk + 1);
    return c;
}

/* The synced content of a sector; with zeros from `floor` on, where an unsynced truncate cut it off for good. */
static void sector_old(const struct sim_page *p, uint64_t at, uint64_t floor, uint8_t *dst)
{
    unsigned in_page = (unsigned)(at % SIM_PAGE);
    if (p->disk != NULL)
        memcpy(dst, p->disk + in_page, SIM_SECTOR);
    else
        memset(dst, 0, SIM_SECTOR);
    if (floor < at + SIM_SECTOR) {
        size_t keep = floor > at ? (size_t)(floor - at) : 0;
        memset(dst + keep, 0, SIM_SECTOR - keep);
    }
}

/* Decides one unsynced sector, in place of now. */
static void sector_cut(struct sim_page *p, uint64_t at, const struct cut_size *c, uint64_t floor, struct sim_random *r)
{
    unsigned in_page = (unsigned)(at % SIM_PAGE), s = in_page / SIM_SECTOR;
    uint8_t *now = p->now + in_page;
    bool cut_off = c->truncated && at + SIM_SECTOR > floor;
    if (cut_off && !c->last) {
        sector_old(p, at, UINT64_MAX, now); /* the old size still points to the old blocks */
        return;
    }
    bool has_mid = (p->between & (1u << s)) && !cut_off;
    switch (sim_random_below(r, has_mid ? 3 : 2)) {
    case 0:
        sector_old(p, at, cut_off ? floor : UINT64_MAX, now);
        break;
    case 1:
        break;
    default:
        memcpy(now, p->mid + in_page, SIM_SECTOR);
        break;
    }
}

static void page_cut_some(struct sim_node *n, uint64_t index, const struct cut_size *c, struct sim_random *r)
{
    struct sim_page *p = &n->pages[index];
    if (p->now == NULL)
        p->now = sim_alloc(SIM_PAGE);
    for (unsigned s = 0; s < SIM_PAGE_SECTORS; s++) {
        if (p->dirty & (1u << s))
            sector_cut(p, index * SIM_PAGE + s * SIM_SECTOR, c, n->floor, r);
    }
}

static void page_cut_all(struct sim_page *p)
{
    if (p->dirty == 0)
        return;
    if (p->now != p->disk)
        free(p->now);
    p->now = p->disk;
}

/* Nothing lives past the end: a file that grows again must read zeros there. */
static void page_trim(struct sim_page *p, uint64_t start, uint64_t size)
{
    if (start + SIM_PAGE <= size)
        return;
    if (start < size) {
        memset(p->now + (size - start), 0, (size_t)(start + SIM_PAGE - size));
        return;
    }
    free(p->now);
    p->now = NULL;
}

void sim_file_cut(struct sim_node *n, enum os_sim_loss loss, struct sim_random *r)
{
    struct cut_size c = {false, true, n->size};
    if (loss == OS_SIM_LOSE_SOME)
        c = choose_size(n, r);
    else if (loss == OS_SIM_LOSE_ALL)
        c.size = n->size_disk;
    for (uint64_t i = n->dirty_lo; i < n->dirty_hi; i++) {
        struct sim_page *p = &n->pages[i];
        if (loss == OS_SIM_LOSE_SOME && p->dirty != 0) {
            page_cut_some(n, i, &c, r);
            page_trim(p, i * SIM_PAGE, c.size);
        } else if (loss == OS_SIM_LOSE_ALL) {
            page_cut_all(p);
        }
        bool reserved = loss == OS_SIM_LOSE_NONE ? p->allocated : p->allocated_disk;
        page_charge(n, p, p->now != NULL || reserved);
        page_settle(p);
    }
    n->size = c.size;
    file_settled(n);
    n->poisoned = false;
}

void sim_file_flip(struct sim_node *n, uint64_t off, unsigned bit)
{
    HF_ASSERT(off < n->size && bit < 8);
    pages_grow(n, page_of(off) + 1);
    struct sim_page *p = &n->pages[page_of(off)];
    uint8_t mask = (uint8_t)(1u << bit);
    if (p->now == NULL)
        p->now = sim_alloc(SIM_PAGE);
    if (p->dirty == 0)
        p->disk = p->now;
    uint8_t *images[3] = {p->now, p->dirty ? p->disk : NULL, p->mid};
    for (unsigned i = 0; i < 3; i++) {
        if (images[i] != NULL)
            images[i][off % SIM_PAGE] ^= mask;
    }
}

uint64_t sim_file_allocated(const struct sim_node *n)
{
    uint64_t pages = 0;
    for (uint64_t i = 0; i < n->n_pages; i++)
        pages += n->pages[i].allocated;
    return pages * SIM_PAGE;
}

void sim_file_free(struct sim_node *n)
{
    for (uint64_t i = 0; i < n->n_pages; i++) {
        struct sim_page *p = &n->pages[i];
        page_charge(n, p, false);
        if (p->dirty != 0 && p->disk != p->now)
            free(p->disk);
        free(p->now);
        free(p->mid);
    }
    free(n->pages);
}
