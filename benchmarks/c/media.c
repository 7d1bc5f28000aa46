/* media watch COUNT PACKETS    bind COUNT ports of loopback, print them, and send back what comes to each; once PACKETS
 *                              came to each, or nothing for a second, print how late they left, by the kernel's stamps:
 *                              the 50th and the 99th percentile in microseconds, and how many never came
 * media send PACKETS PORT ...  send PACKETS of 172 bytes to each port, one in 20 ms, and take what comes back; print
 *                              the processor's microseconds for one packet, sent or received
 */
#define _GNU_SOURCE
#include "sip.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { STREAMS = 1024, EVENTS = 64, PACKET = 2048, VOICE = 172, PERIOD = 20000, OFFSET = 3170, PATIENCE = 1000 };

static int sockets[STREAMS];
static char packet[PACKET], control[256];

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double stamp_of(struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return stamp.tv_sec * 1e6 + stamp.tv_nsec / 1e3;
        }
    fail("no kernel stamp");
    return 0;
}

/* A socket bound to a free port that nobody else has, which SO_REUSEADDR would not make sure of. */
static int own(void) {
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    if (sock < 0 || bind(sock, (void *)&address, length)) fail("bind");
    getsockname(sock, (void *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return sock;
}

static int watched(int poll, int sock, int number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(poll, EPOLL_CTL_ADD, sock, &event);
}

/* A packet belongs at its stream's beginning and so many periods; the one that was least late tells where that is. */
static void report(double *at, int count, int packets) {
    int found = 0;
    for (int stream = 0; stream < count; stream++) {
        double begin = 1e300, *of = at + (size_t)stream * packets;
        for (int n = 0; n < packets; n++)
            if (of[n] && of[n] - (double)n * PERIOD < begin) begin = of[n] - (double)n * PERIOD;
        for (int n = 0; n < packets; n++)
            if (of[n]) at[found++] = of[n] - (double)n * PERIOD - begin; /* never beyond what is still to be read */
    }
    qsort(at, found, sizeof *at, by_size);
    printf("%.1f %.1f %d\n", found ? at[found / 2] : 0, found ? at[found * 99L / 100] : 0, count * packets - found);
    fflush(stdout);
}

static void watch(int count, int packets) {
    static int first[STREAMS];
    int poll = epoll_create1(0), one = 1, left = count * packets;
    double *at = calloc((size_t)count * packets, sizeof *at);
    for (int i = 0; i < count; i++) {
        sockets[i] = own();
        first[i] = -1;
        setsockopt(sockets[i], SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
        if (watched(poll, sockets[i], i)) fail("epoll_ctl");
    }
    struct epoll_event events[EVENTS];
    for (int ready, patience = -1; left && (ready = epoll_wait(poll, events, EVENTS, patience)); patience = PATIENCE)
        for (int i = 0; i < ready; i++) {
            int stream = events[i].data.u32;
            struct sockaddr_in from;
            struct iovec into = {packet, sizeof packet};
            struct msghdr header = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &into, .msg_iovlen = 1,
                                    .msg_control = control, .msg_controllen = sizeof control};
            ssize_t size = recvmsg(sockets[stream], &header, MSG_DONTWAIT);
            if (size < 12 || (packet[1] & 0x7f) >= 64) continue; /* RTCP, with or without a marker (RFC 5761) */
            int sequence = (unsigned char)packet[2] << 8 | (unsigned char)packet[3];
            if (first[stream] < 0) first[stream] = sequence;
            int number = (sequence - first[stream]) & 0xffff;
            if (number < packets && !at[(size_t)stream * packets + number]) {
                at[(size_t)stream * packets + number] = stamp_of(&header);
                left--;
            }
            sendto(sockets[stream], packet, size, 0, (void *)&from, sizeof from);
        }
    report(at, count, packets);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void wake_at(int timer, double at) {
    struct itimerspec when = {.it_value = {at / 1e6, (long)(at - (long)(at / 1e6) * 1e6) * 1000 + 1}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void send_all(int packets, char **ports, int count) {
    static double due[STREAMS];
    static int sent[STREAMS];
    int poll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), one = 1;
    long left = (long)count * packets, moved = 0;
    for (int i = 0; i < count; i++) {
        sockets[i] = connected(SOCK_DGRAM, atoi(ports[i]));
        setsockopt(sockets[i], SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
        if (watched(poll, sockets[i], i)) fail("epoll_ctl");
    }
    if (watched(poll, timer, STREAMS)) fail("epoll_ctl");
    double begin = now(), used = cpu_seconds();
    for (int i = 0; i < count; i++) due[i] = begin + i * (double)OFFSET;
    wake_at(timer, begin);
    struct epoll_event events[EVENTS];
    while (left) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.u32 != STREAMS) {
                struct iovec into = {packet, sizeof packet};
                struct msghdr header = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control,
                                        .msg_controllen = sizeof control};
                moved += recvmsg(sockets[events[i].data.u32], &header, MSG_DONTWAIT) > 0;
                continue;
            }
            double soonest = 1e300;
            for (int stream = 0; stream < count; stream++) {
                if (sent[stream] < packets && due[stream] <= now()) {
                    static unsigned char voice[VOICE] = {0x80};
                    voice[2] = sent[stream] >> 8;
                    voice[3] = sent[stream];
                    moved += send(sockets[stream], voice, sizeof voice, 0) > 0;
                    sent[stream]++;
                    due[stream] += PERIOD;
                    left--;
                }
                if (sent[stream] < packets && due[stream] < soonest) soonest = due[stream];
            }
            if (left) wake_at(timer, soonest);
        }
    }
    printf("%.3f\n", (cpu_seconds() - used) * 1e6 / moved);
}

int main(int count, char **words) {
    if (count == 4 && !strcmp(words[1], "watch")) watch(atoi(words[2]), atoi(words[3]));
    else if (count > 3 && count < STREAMS && !strcmp(words[1], "send")) send_all(atoi(words[2]), words + 3, count - 3);
    else return 2;
    return 0;
}
