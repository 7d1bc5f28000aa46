/* tls respond CERTIFICATE KEY  answer OPTIONS over TLS on a free port of loopback, one connection after the other
 * tls ask PORT COUNT CA        connect, verify, ask once and close, COUNT times; prints the CPU time in microseconds */
#define _GNU_SOURCE
#include "sip.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

static char in[MESSAGE], out[MESSAGE];

static void fail_tls(const char *what) {
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void respond(const char *certificate, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_num_tickets(context, 0);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        fail_tls("certificate");
    int listening = bound(SOCK_STREAM), one = 1;
    for (int sock; (sock = accept(listening, NULL, NULL)) >= 0; close(sock)) {
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        SSL *tls = SSL_new(context);
        SSL_set_fd(tls, sock);
        if (SSL_accept(tls) == 1)
            for (int n; (n = SSL_read(tls, in, sizeof in)) > 0;) {
                size_t size = answer(in, n, out);
                if (size) SSL_write(tls, out, size);
            }
        SSL_free(tls);
    }
}

static void ask(int port, int count, const char *ca) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_load_verify_locations(context, ca, NULL) != 1) fail_tls("CA file");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    double begin = cpu_seconds();
    for (int i = 0; i < count; i++) {
        int sock = connected(SOCK_STREAM, port);
        SSL *tls = SSL_new(context);
        SSL_set_fd(tls, sock);
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), "127.0.0.1");
        if (SSL_connect(tls) != 1) fail_tls("connect");
        SSL_write(tls, out, options(i, "TLS", port, out));
        int n = SSL_read(tls, in, sizeof in);
        if (n <= 0 || matched(in, n) != i) fail_tls("answer");
        SSL_shutdown(tls);
        SSL_free(tls);
        close(sock);
    }
    printf("%.4f\n", (cpu_seconds() - begin) / count * 1e6);
}

int main(int count, char **words) {
    if (count == 4 && !strcmp(words[1], "respond")) respond(words[2], words[3]);
    if (count != 5 || strcmp(words[1], "ask")) return 2;
    ask(atoi(words[2]), atoi(words[3]), words[4]);
    return 0;
}
