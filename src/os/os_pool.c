/* Holdfast: workers that run jobs, and strands that keep some jobs in order. */
#include "os/os.h"

#include <stdlib.h>

/* Jobs that a strand may run in one turn before it lets others have the worker. */
#define STRAND_TURN_JOBS 16

/* Invariants, under lock: tail is the last job of the list that starts at head, or anything when head is NULL; idle is
 * at least the number of workers that wait and were not signalled yet (a spurious wake-up makes it too high, which
 * costs one signal in vain, never a job that nobody takes). */
struct os_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct os_job *head, *tail;
    unsigned idle;
    bool stopping;
    unsigned n;
    pthread_t thread[];
};

static void lock_or_die(pthread_mutex_t *m)
{
    if (pthread_mutex_lock(m) != 0)
        HF_BUG("a mutex cannot be locked");
}

static void unlock_or_die(pthread_mutex_t *m)
{
    if (pthread_mutex_unlock(m) != 0)
        HF_BUG("a mutex cannot be unlocked");
}

static void *worker(void *ctx)
{
    struct os_pool *p = ctx;
    lock_or_die(&p->lock);
    for (;;) {
        struct os_job *job = p->head;
        if (job != NULL) {
            p->head = job->next;
            unlock_or_die(&p->lock);
            job->run(job);
            lock_or_die(&p->lock);
        } else if (p->stopping) {
            break;
        } else {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
        }
    }
    unlock_or_die(&p->lock);
    return NULL;
}

enum rc os_pool_new(unsigned n, const char *name, struct os_pool **ret)
{
    HF_ASSERT(n > 0);
    struct os_pool *p = calloc(1, sizeof *p + n * sizeof p->thread[0]);
    if (p == NULL)
        return RC_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    for (; p->n < n; p->n++) {
        enum rc rc = os_thread(&p->thread[p->n], name, worker, p);
        if (rc != RC_OK) {
            os_pool_free(p);
            return rc;
        }
    }
    *ret = p;
    return RC_OK;
}

void os_pool_submit(struct os_pool *p, struct os_job *job)
{
    job->next = NULL;
    lock_or_die(&p->lock);
    if (p->head == NULL)
        p->head = job;
    else
        p->tail->next = job;
    p->tail = job;
    bool wake = p->idle > 0;
    if (wake) {
        p->idle--;
        pthread_cond_signal(&p->work);
    }
    unlock_or_die(&p->lock);
}

void os_pool_free(struct os_pool *p)
{
    if (p == NULL)
        return;
    lock_or_die(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    unlock_or_die(&p->lock);
    for (unsigned i = 0; i < p->n; i++) {
        if (pthread_join(p->thread[i], NULL) != 0)
            HF_BUG("a worker cannot be joined");
    }
    HF_ASSERT(p->head == NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Under the strand's lock. */
static struct os_job *strand_pop(struct os_strand *s)
{
    struct os_job *job = s->head;
    if (job != NULL)
        s->head = job->next;
    return job;
}

/* Ends the turn under the strand's lock: either another one is queued, or the strand is idle and may be taken apart as
 * soon as the lock is given up. */
static void strand_turn_end(struct os_strand *s)
{
    s->in_turn = false;
    s->gone = NULL;
    if (s->head != NULL) {
        os_pool_submit(s->pool, &s->job);
    } else {
        s->running = false;
        pthread_cond_broadcast(&s->idle);
    }
    unlock_or_die(&s->lock);
}

static void strand_turn(struct os_job *turn)
{
    struct os_strand *s = (struct os_strand *)(void *)((char *)turn - offsetof(struct os_strand, job));
    bool gone = false;
    lock_or_die(&s->lock);
    s->in_turn = true;
    s->runner = pthread_self();
    s->gone = &gone;
    for (unsigned i = 0; i < STRAND_TURN_JOBS; i++) {
        struct os_job *job = strand_pop(s);
        if (job == NULL)
            break;
        unlock_or_die(&s->lock);
        job->run(job);
        if (gone)
            return; /* the job took the strand apart: its memory may be no more */
        lock_or_die(&s->lock);
    }
    strand_turn_end(s);
}

void os_strand_init(struct os_strand *s, struct os_pool *p)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    s->pool = p;
    s->job.run = strand_turn;
}

void os_strand_submit(struct os_strand *s, struct os_job *job)
{
    job->next = NULL;
    lock_or_die(&s->lock);
    if (s->head == NULL)
        s->head = job;
    else
        s->tail->next = job;
    s->tail = job;
    if (!s->running) {
        s->running = true;
        os_pool_submit(s->pool, &s->job);
    }
    unlock_or_die(&s->lock);
}

void os_strand_done(struct os_strand *s)
{
    lock_or_die(&s->lock);
    if (s->in_turn && pthread_equal(s->runner, pthread_self())) {
        HF_ASSERT(s->head == NULL);
        *s->gone = true;
    } else {
        while (s->running)
            pthread_cond_wait(&s->idle, &s->lock);
    }
    unlock_or_die(&s->lock);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
}
