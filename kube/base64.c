#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "kube/base64.h"

ssize_t
base64_decode(const char *text, char *buf)
{
	/* OpenSSL would take '-' for the end of the text, whatever follows. */
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789+/= \t\r\n";
	size_t len = strspn(text, alphabet);
	int n = 0, rest = 0, rc;
	EVP_ENCODE_CTX *ctx;

	if (text[len] != '\0' || len > INT_MAX)
		return -EINVAL;
	ctx = EVP_ENCODE_CTX_new();
	if (ctx == NULL)
		return -EINVAL;
	EVP_DecodeInit(ctx);
	rc = EVP_DecodeUpdate(ctx, (unsigned char *)buf, &n, (const unsigned char *)text,
	    (int)len);
	if (rc >= 0)
		rc = EVP_DecodeFinal(ctx, (unsigned char *)buf + n, &rest);
	EVP_ENCODE_CTX_free(ctx);
	if (rc < 0)
		return -EINVAL;
	buf[n + rest] = '\0';
	return n + rest;
}
