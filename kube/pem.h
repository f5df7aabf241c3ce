/*
 * pem.h - look at certificates and keys before libcurl does, so that a wrong
 * file is told at start, by name.
 */
#ifndef HERALD_KUBE_PEM_H
#define HERALD_KUBE_PEM_H

/* Number of certificates in the text, or -EINVAL where one is broken or none. */
int pem_count_certs(const char *text);

/*
 * 0 where the private key belongs to the first certificate; -EINVAL where it
 * is no key that can be read without a pass phrase, -EKEYREJECTED where it
 * belongs to another certificate.
 */
int pem_check_key(const char *cert, const char *key);

#endif
