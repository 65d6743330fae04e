// SPDX-License-Identifier: Apache-2.0
// The process's TLS identity over OpenSSL.
//
// One SSL_CTX serves both sides; streams made later use the newest one, streams that are open keep
// theirs (OpenSSL counts references). The context is guarded by a lock, so any thread may set it.
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/io/stream_private.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static SSL_CTX *identity; // under lock

AUTO_DEFINE(SSL_CTX_free, SSL_CTX *)

// The sentence of OpenSSL's last error.
static int tls_failed(struct err *err, const char *what, const char *file)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    int error = code && ERR_SYSTEM_ERROR(code) ? -ERR_GET_REASON(code) : -EINVAL;
    ERR_clear_error();
    return err_set(err, error, "%s %s: %s", what, file, reason ? reason : strerror(-error));
}

static int set_protocols(SSL_CTX *ctx, const char *protocols, struct err *err)
{
    static const struct {
        const char *name;
        unsigned long off;
    } known[] = {{"TLSv1", SSL_OP_NO_TLSv1},
                 {"TLSv1.1", SSL_OP_NO_TLSv1_1},
                 {"TLSv1.2", SSL_OP_NO_TLSv1_2},
                 {"TLSv1.3", SSL_OP_NO_TLSv1_3}};
    unsigned long off = 0;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        off |= known[i].off;
    AUTO_FREE char *words = xstrdup(protocols);
    char *saved = NULL;
    for (char *w = strtok_r(words, " ,\t", &saved); w; w = strtok_r(NULL, " ,\t", &saved)) {
        size_t i = 0;
        while (i < ARRAY_SIZE(known) && strcasecmp(w, known[i].name))
            i++;
        if (i == ARRAY_SIZE(known))
            return err_set(err, -EINVAL, "%s: not a TLS protocol", w);
        off &= ~known[i].off;
    }
    SSL_CTX_set_min_proto_version(ctx, 0);
    SSL_CTX_set_options(ctx, off);
    return 0;
}

static int load(SSL_CTX *ctx, const struct stream_tls *tls, struct err *err)
{
    if (!tls->private_key || !tls->certificate || !tls->ca_cert)
        return err_set(err, -EINVAL, "TLS needs a private key, a certificate and a CA certificate");
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->certificate) != 1)
        return tls_failed(err, "certificate", tls->certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, tls->private_key, SSL_FILETYPE_PEM) != 1)
        return tls_failed(err, "private key", tls->private_key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_failed(err, "private key", tls->private_key);
    if (!strcmp(tls->ca_cert, "none")) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    } else {
        if (SSL_CTX_load_verify_locations(ctx, tls->ca_cert, NULL) != 1)
            return tls_failed(err, "CA certificate", tls->ca_cert);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    if (tls->protocols && set_protocols(ctx, tls->protocols, err) < 0)
        return -EINVAL;
    if (tls->ciphers && SSL_CTX_set_cipher_list(ctx, tls->ciphers) != 1)
        return tls_failed(err, "ciphers", tls->ciphers);
    return 0;
}

int stream_set_tls(const struct stream_tls *tls, struct err *err)
{
    AUTO(auto_SSL_CTX_free) SSL_CTX *ctx = NULL;
    if (tls->private_key || tls->certificate || tls->ca_cert) {
        ctx = SSL_CTX_new(TLS_method());
        if (!ctx)
            return tls_failed(err, "OpenSSL", "context");
        int error = load(ctx, tls, err);
        if (error)
            return error;
    }
    pthread_mutex_lock(&lock);
    SSL_CTX *old = identity;
    identity = ctx;
    ctx = old;
    pthread_mutex_unlock(&lock);
    return 0;
}

bool stream_has_tls(void)
{
    pthread_mutex_lock(&lock);
    bool has = identity != NULL;
    pthread_mutex_unlock(&lock);
    return has;
}

int stream_tls_session(SSL **ret_ssl, struct err *err)
{
    pthread_mutex_lock(&lock);
    SSL *ssl = identity ? SSL_new(identity) : NULL;
    pthread_mutex_unlock(&lock);
    if (!ssl)
        return err_set(err, -ENOKEY, "TLS needs --private-key, --certificate and --ca-cert");
    *ret_ssl = ssl;
    return 0;
}
