/* Loaded into wrk: it polls its sockets instead of sleeping until one is ready. A generator that sleeps must
 * be woken by the server's answer, and the kernel charges that to the server: in a virtual machine more than
 * the answer itself costs. Real clients are on other machines. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>

int epoll_wait(int poll, struct epoll_event *events, int most, int timeout) {
    static int (*next)(int, struct epoll_event *, int, int);
    if (!next)
        next = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    (void)timeout;
    return next(poll, events, most, 0);
}
