/* pem.c - see pem.h. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "kube/pem.h"

/* Never ask on the terminal. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

int
pem_count_certs(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *cert;
	unsigned long e;
	int n = 0;

	if (bio == NULL)
		return -ENOMEM;
	while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		X509_free(cert);
		n++;
	}
	/* The end of the text is an error too: "no start line". */
	e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		n = 0;
	ERR_clear_error();
	BIO_free(bio);
	return n > 0 ? n : -EINVAL;
}

int
pem_check_key(const char *cert, const char *key)
{
	BIO *cert_bio = BIO_new_mem_buf(cert, -1), *key_bio = BIO_new_mem_buf(key, -1);
	EVP_PKEY *pkey = NULL;
	X509 *x509 = NULL;
	int r = -EINVAL;

	if (cert_bio == NULL || key_bio == NULL)
		goto out;
	x509 = PEM_read_bio_X509(cert_bio, NULL, no_passphrase, NULL);
	pkey = PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL);
	if (x509 != NULL && pkey != NULL)
		r = X509_check_private_key(x509, pkey) == 1 ? 0 : -EKEYREJECTED;
out:
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	X509_free(x509);
	BIO_free(cert_bio);
	BIO_free(key_bio);
	return r;
}
