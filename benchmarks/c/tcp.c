/* tcp respond              answer OPTIONS on a free port of loopback, all that came at once in one write
 * tcp ask PORT COUNT WINDOW  ask COUNT times, WINDOW in one write, and print the CPU time of one in microseconds */
#define _GNU_SOURCE
#include "sip.h"

enum { BUFFER = 1 << 18 };
static char in[BUFFER], out[BUFFER * 2];

/* The length of the first message in what was read (RFC 3261 §18.3); 0 while it is not whole. No bodies here. */
static size_t framed(const char *data, size_t size) {
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    return end ? end + 4 - data : 0;
}

static void respond(void) {
    int listening = bound(SOCK_STREAM);
    for (int sock; (sock = accept(listening, NULL, NULL)) >= 0; close(sock)) {
        size_t held = 0;
        for (ssize_t n; (n = read(sock, in + held, BUFFER - held)) > 0;) {
            size_t at = 0, size, ready = 0;
            held += n;
            while ((size = framed(in + at, held - at))) {
                ready += answer(in + at, size, out + ready);
                at += size;
            }
            memmove(in, in + at, held -= at);
            put(sock, out, ready);
        }
    }
}

static void ask(int port, int count, int window) {
    int sock = connected(SOCK_STREAM, port), next = 0, done = 0;
    size_t held = 0;
    double begin = cpu_seconds();
    while (done < count) {
        size_t ready = 0;
        for (; next < count && next - done < window; next++) {
            ready += options(next % SLOTS, "TCP", port, out + ready);
            awaited[next % SLOTS] = 1;
        }
        put(sock, out, ready);
        ssize_t n = read(sock, in + held, BUFFER - held);
        if (n <= 0) fail("read");
        held += n;
        size_t at = 0, size;
        while ((size = framed(in + at, held - at))) {
            long number = matched(in + at, size);
            if (number >= 0 && awaited[number]) awaited[number] = 0, done++;
            at += size;
        }
        memmove(in, in + at, held -= at);
    }
    printf("%.4f\n", (cpu_seconds() - begin) / count * 1e6);
}

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "respond")) respond();
    if (count != 5 || strcmp(words[1], "ask")) return 2;
    ask(atoi(words[2]), atoi(words[3]), atoi(words[4]));
    return 0;
}
