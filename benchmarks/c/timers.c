/* timers watch COUNT       never answer on a free port of loopback, which is printed first; once COUNT requests were
 *                          repeated, print how late the first repetition was, at the 99th percentile, in microseconds
 * timers send PORT COUNT RATE  send COUNT requests, RATE in a second, and repeat each once after T1 (RFC 3261 §17.1.2.2)
 */
#define _GNU_SOURCE
#include "sip.h"
#include <poll.h>

enum { T1_MICROSECONDS = 500000, BRANCHES = 1 << 18 };

struct seen {
    char branch[64];
    double at;
};
static struct seen table[BRANCHES];
static double late[SLOTS];
static char message[MESSAGE], control[256];

static double kernel_stamp(struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return stamp.tv_sec * 1e6 + stamp.tv_nsec / 1e3;
        }
    fail("no kernel stamp");
    return 0;
}

/* Where a branch is kept, or is to be kept: an open table, twelve times as large as what goes into it. */
static struct seen *place(const char *branch) {
    unsigned hash = 2166136261u;
    for (const char *c = branch; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    struct seen *at = &table[hash % BRANCHES];
    while (at->branch[0] && strcmp(at->branch, branch)) at = at + 1 < table + BRANCHES ? at + 1 : table;
    return at;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void watch(int count) {
    int sock = bound(SOCK_DGRAM), one = 1, done = 0;
    setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    while (done < count) {
        struct iovec into = {message, sizeof message - 1};
        struct msghdr header = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(sock, &header, 0);
        if (size <= 0) continue;
        message[size] = 0;
        const char *branch = strstr(message, "branch=");
        char name[64] = "";
        if (!branch || sscanf(branch + 7, "%63[^;\r\n]", name) != 1) continue;
        struct seen *first = place(name);
        double at = kernel_stamp(&header);
        if (!first->branch[0]) {
            strcpy(first->branch, name);
            first->at = at;
        } else if (first->at) {
            late[done++] = at - first->at - T1_MICROSECONDS;
            first->at = 0;
        }
    }
    qsort(late, count, sizeof *late, by_size);
    printf("%.1f\n", late[count * 99 / 100]);
    fflush(stdout);
    pause(); /* a port that nobody holds any more would be told by ICMP */
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void send_all(int port, int count, int rate) {
    static double sent_at[SLOTS];
    int sock = connected(SOCK_DGRAM, port), first = 0, again = 0;
    double begin = now();
    while (again < count) {
        double first_due = begin + first * 1e6 / rate, again_due = again < first ? sent_at[again] + T1_MICROSECONDS : 1e18;
        double due = first < count && first_due < again_due ? first_due : again_due, wait = due - now();
        if (wait > 0) {
            struct timespec pause = {wait / 1e6, ((long)wait % 1000000) * 1000};
            ppoll(NULL, 0, &pause, NULL);
        }
        int repeats = due == again_due, number = repeats ? again++ : first++;
        size_t size = options(number, "UDP", port, message);
        if (!repeats) sent_at[number] = now();
        send(sock, message, size, 0);
    }
}

int main(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "watch")) watch(atoi(words[2]));
    else if (count == 5 && !strcmp(words[1], "send")) send_all(atoi(words[2]), atoi(words[3]), atoi(words[4]));
    else return 2;
    return 0;
}
