/*
 * base64.h - base64 (RFC 4648, section 4) to bytes, as kubeconfigs and Secrets
 * hold them.
 */
#ifndef HERALD_KUBE_BASE64_H
#define HERALD_KUBE_BASE64_H

#include <sys/types.h>

/*
 * Decode text, white space anywhere in it, into buf, which holds as many bytes as
 * text and its NUL. Returns how many there are, a NUL behind them not counted;
 * -EINVAL where text is no base64, buf then holds rubbish.
 */
ssize_t base64_decode(const char *text, char *buf);

#endif
