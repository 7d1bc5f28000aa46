/* callee respond   take calls on a free port of loopback, which is printed first: INVITE gets 100, 180 and 200 with a
 *                  session description at once, BYE gets 200, ACK nothing; no state is kept
 */
#define _GNU_SOURCE
#include "sip.h"

enum { STATUSES = 3 };

static char in[BATCH][MESSAGE], out[BATCH * STATUSES][MESSAGE];
static struct sockaddr_in peers[BATCH];
static struct mmsghdr received[BATCH], sent[BATCH * STATUSES];
static struct iovec read_into[BATCH], write_from[BATCH * STATUSES];

static size_t reply(const char *request, size_t size, const char *status, int port, char *out) {
    static const char *const copied[] = {"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"};
    char *to = out + sprintf(out, "SIP/2.0 %s\r\n", status), body[256] = "";
    for (int i = 0; i < 6; i++) {
        size_t length;
        const char *found = field(request, request + size, copied[i], &length);
        if (!found && i == 1) continue;
        if (!found) return 0;
        memcpy(to, found, length);
        to += length;
        if (i == 3 && strncmp(status, "100", 3) && !memmem(found, length, ";tag=", 5))
            to += sprintf(to - 2, ";tag=callee\r\n") - 2;
    }
    if (!strncmp(status, "200", 3) && !strncmp(request, "INVITE", 6))
        sprintf(body, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                      "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n");
    to += sprintf(to, "Contact: <sip:callee@127.0.0.1:%d>\r\n", port);
    if (*body) to += sprintf(to, "Content-Type: application/sdp\r\n");
    to += sprintf(to, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    return to - out;
}

int main(int count, char **words) {
    static const char *const statuses[STATUSES] = {"100 Trying", "180 Ringing", "200 OK"};
    if (count != 2 || strcmp(words[1], "respond")) return 2;
    int sock = bound(SOCK_DGRAM);
    struct sockaddr_in here;
    socklen_t length = sizeof here;
    getsockname(sock, (void *)&here, &length);
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            read_into[i] = (struct iovec){in[i], MESSAGE - 1};
            received[i].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &read_into[i], .msg_iovlen = 1};
        }
        int got = recvmmsg(sock, received, BATCH, MSG_WAITFORONE, NULL), ready = 0;
        for (int i = 0; i < got; i++) {
            int first = !strncmp(in[i], "INVITE", 6) ? 0 : !strncmp(in[i], "BYE", 3) ? STATUSES - 1 : STATUSES;
            for (int status = first; status < STATUSES; status++) {
                size_t size = reply(in[i], received[i].msg_len, statuses[status], ntohs(here.sin_port), out[ready]);
                if (!size) continue;
                write_from[ready] = (struct iovec){out[ready], size};
                sent[ready].msg_hdr = (struct msghdr){
                    .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &write_from[ready], .msg_iovlen = 1};
                ready++;
            }
        }
        for (int done = 0, n; done < ready; done += n)
            if ((n = sendmmsg(sock, sent + done, ready - done, 0)) <= 0) break;
    }
}
