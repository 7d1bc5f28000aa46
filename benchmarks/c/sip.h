/* What the C programs beside this share: OPTIONS and its answer, read field by field, and a table of what is awaited. */
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused)) /* in some of the programs */

enum { MESSAGE = 2048, BATCH = 64, SLOTS = 1 << 17 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Where the header field `name` of the message that ends at `end` is; its length, line end included, in `length`. */
static const char *field(const char *message, const char *end, const char *name, size_t *length) {
    size_t size = strlen(name);
    const char *line = memmem(message, end - message, "\r\n", 2);
    while (line && line + 2 + size < end) {
        line += 2;
        const char *next = memmem(line, end - line, "\r\n", 2);
        if (!next || next == line) break;
        if (line[size] == ':' && !strncasecmp(line, name, size)) {
            *length = next + 2 - line;
            return line;
        }
        line = next;
    }
    return NULL;
}

/* The 200 for a request (RFC 3261 §8.2.6): its length, 0 where a field is missing. */
UNUSED static size_t answer(const char *request, size_t size, char *out) {
    static const char *const copied[] = {"Via", "From", "To", "Call-ID", "CSeq"};
    char *to = out + sprintf(out, "SIP/2.0 200 OK\r\n");
    for (int i = 0; i < 5; i++) {
        size_t length;
        const char *found = field(request, request + size, copied[i], &length);
        if (!found) return 0;
        memcpy(to, found, length);
        to += length;
        if (i == 2) to += sprintf(to - 2, ";tag=c\r\n") - 2;
    }
    to += sprintf(to, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n");
    return to - out;
}

/* OPTIONS number `number`, whose branch tells it apart (RFC 3261 §17.1.3). */
static size_t options(unsigned number, const char *transport, int port, char *out) {
    return sprintf(out,
                   "OPTIONS sip:127.0.0.1:%d SIP/2.0\r\n"
                   "Via: SIP/2.0/%s 127.0.0.1:40000;branch=z9hG4bK%08x;rport\r\n"
                   "Max-Forwards: 70\r\nFrom: <sip:c@127.0.0.1>;tag=%08x\r\nTo: <sip:127.0.0.1:%d>\r\n"
                   "Call-ID: %08x@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n",
                   port, transport, number, number, port, number);
}

/* Which OPTIONS a response is for, every field of it looked at as a client has to; -1 for what cannot be read. */
UNUSED static long matched(const char *message, size_t size) {
    const char *end = message + size;
    size_t length, other;
    if (size < 12 || memcmp(message, "SIP/2.0 2", 9)) return -1;
    const char *via = field(message, end, "Via", &length);
    if (!via || !field(message, end, "From", &other) || !field(message, end, "To", &other) ||
        !field(message, end, "Call-ID", &other) || !field(message, end, "CSeq", &other))
        return -1;
    const char *branch = memmem(via, length, "branch=z9hG4bK", 14);
    return branch ? strtol(branch + 14, NULL, 16) : -1;
}

UNUSED static char awaited[SLOTS];

UNUSED static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

UNUSED static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket of `kind`, bound to a free port of loopback, which is printed for whoever started the program. */
UNUSED static int bound(int kind) {
    int one = 1, size = 8 << 20, sock = socket(AF_INET, kind, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (sock < 0 || bind(sock, (void *)&address, sizeof address)) fail("bind");
    getsockname(sock, (void *)&address, &length);
    if (kind == SOCK_STREAM && listen(sock, 128)) fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return sock;
}

UNUSED static int connected(int kind, int port) {
    int one = 1, size = 8 << 20, sock = socket(AF_INET, kind, 0);
    struct sockaddr_in address = loopback(port);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (sock < 0 || connect(sock, (void *)&address, sizeof address)) fail("connect");
    if (kind == SOCK_STREAM) setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return sock;
}

UNUSED static void put(int sock, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(sock, data, size);
        if (n <= 0) fail("write");
        data += n;
        size -= n;
    }
}
