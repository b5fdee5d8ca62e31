/* Holdfast: threads with a name and without signals. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setname_np */
#endif
#include "os/os.h"

#include <signal.h>

#define THREAD_NAME_MAX 16 /* with the 0; the kernel's limit */

/* All but those that a thread raises itself by a bug: blocking them would hide where. */
static void blockable_signals(sigset_t *ret)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigfillset(ret);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(ret, faults[i]);
}

enum rc os_thread(pthread_t *ret, const char *name, void *(*fn)(void *), void *ctx)
{
    sigset_t block, before;
    blockable_signals(&block);
    /* A thread starts with its maker's mask; blocking in the thread itself would leave a gap. */
    if (pthread_sigmask(SIG_BLOCK, &block, &before) != 0)
        return RC_UNAVAILABLE;
    pthread_t made;
    int failed = pthread_create(&made, NULL, fn, ctx);
    if (pthread_sigmask(SIG_SETMASK, &before, NULL) != 0)
        HF_BUG("a signal mask that was just read is refused");
    if (failed)
        return RC_UNAVAILABLE;

    char shown[THREAD_NAME_MAX];
    struct view whole = view_cstr(name);
    if (!view_copy(view_sub(whole, 0, sizeof shown - 1), shown, sizeof shown))
        HF_BUG("a cut name does not fit");
    pthread_setname_np(made, shown); /* for people who look; no harm when the kernel does not take it */
    *ret = made;
    return RC_OK;
}
